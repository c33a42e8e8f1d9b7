import { useState } from 'preact/hooks';
import { asFailure } from '../api/failure';
import { download, wholeCsv } from '../lib/export';
import { text } from '../texts';

interface Props {
  name: string;
  page: Parameters<typeof wholeCsv>[0];
}

/** Saves the whole filtered list, also what the page has not loaded. */
export function ExportButton({ name, page }: Props) {
  const [pages, setPages] = useState<number>();
  const [failure, setFailure] = useState('');
  const run = async () => {
    setFailure('');
    setPages(0);
    try {
      download(name, await wholeCsv(page, setPages));
    } catch (cause) {
      setFailure(asFailure(cause).message);
    }
    setPages(undefined);
  };
  return (
    <>
      <button type="button" onClick={run} disabled={pages !== undefined}>
        {pages === undefined ? text.list.csv : text.list.csvWorking(pages)}
      </button>
      {failure && <span class="failure" role="alert">{failure}</span>}
    </>
  );
}

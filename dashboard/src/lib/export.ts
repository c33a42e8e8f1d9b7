import { answerOf } from '../api/failure';

const MOST_PAGES = 200;

interface CsvPage {
  data?: unknown;
  error?: unknown;
  response: Response;
}

/** All pages of a list as one CSV text. The head stands once. */
export async function wholeCsv(page: (cursor: string | undefined) => Promise<CsvPage>, onPage: (pages: number) => void): Promise<string> {
  let csv = '';
  let cursor: string | undefined;
  for (let pages = 1; pages <= MOST_PAGES; pages += 1) {
    const answer = await answerOf(page(cursor));
    csv += pages === 1 ? String(answer.data) : withoutHead(String(answer.data));
    onPage(pages);
    cursor = answer.response.headers.get('x-next-cursor') ?? undefined;
    if (!cursor) break;
  }
  return csv;
}

/** The rows after the first line. A head has no line breaks in it. */
export function withoutHead(csv: string): string {
  const end = csv.indexOf('\n');
  return end < 0 ? '' : csv.slice(end + 1);
}

export function download(name: string, csv: string): void {
  const address = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

import type { Pages } from '../lib/pages';
import { text } from '../texts';

/** Reads on in a list: one page, all pages, or stop. */
export function ListFoot({ pages }: { pages: Pick<Pages<unknown>, 'rows' | 'loading' | 'more' | 'loadMore' | 'loadAll' | 'stop'> }) {
  if (pages.rows.length === 0) return null;
  return (
    <div class="buttons">
      {pages.loading ? (
        <button type="button" onClick={pages.stop}>{text.list.stop}</button>
      ) : (
        pages.more && (
          <>
            <button type="button" onClick={pages.loadMore}>{text.list.more}</button>
            <button type="button" onClick={pages.loadAll}>{text.list.all}</button>
          </>
        )
      )}
    </div>
  );
}

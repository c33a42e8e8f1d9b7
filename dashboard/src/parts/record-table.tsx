import type { ComponentChildren } from 'preact';
import { readSorting, nextSorting, sorted } from '../lib/sorting';
import { text } from '../texts';
import { RecordRow } from './record-row';

export interface Column<T> {
  key: string;
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Absent for a column that cannot be sorted. */
  by?: (row: T) => string | number | null | undefined;
  /** Numbers stand to the right. */
  number?: boolean;
  /** The head may take two lines, where it is wider than the values. */
  wraps?: boolean;
}

interface Props<T> {
  what: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  idOf: (row: T) => string;
  nameOf: (row: T) => string;
  sorting: string | null;
  onSort: (sorting: string | undefined) => void;
  /** Absent where nothing can be done with chosen rows. */
  chosen?: ReadonlySet<string>;
  onChoose: (chosen: Set<string>) => void;
  onToggle: (id: string) => void;
}

/** The rows of a list in the order that the person asked for. */
export function ordered<T>(rows: readonly T[], columns: readonly Column<T>[], sorting: string | null): readonly T[] {
  const order = readSorting(sorting);
  const by = columns.find((column) => column.key === order?.key)?.by;
  return order && by ? sorted(rows, by, order.down) : rows;
}

export function RecordTable<T>({ what, rows, columns, idOf, nameOf, sorting, onSort, chosen, onChoose, onToggle }: Props<T>) {
  const order = readSorting(sorting);
  const all = rows.length > 0 && chosen !== undefined && rows.every((row) => chosen.has(idOf(row)));
  return (
    <div class="scroll" role="region" aria-label={text.list.rows(what)} tabIndex={0}>
      <table class="records">
        <thead>
          <tr>
            {chosen && (
              <th class="choose">
                <input
                  type="checkbox"
                  aria-label={text.list.chooseAll}
                  checked={all}
                  onChange={() => onChoose(new Set(all ? [] : rows.map(idOf)))}
                />
              </th>
            )}
            {columns.map((column) => {
              const sort = order?.key === column.key ? (order.down ? 'descending' : 'ascending') : undefined;
              return (
                <th key={column.key} scope="col" class={[column.number && 'number', column.wraps && 'wraps'].filter(Boolean).join(' ') || undefined} aria-sort={sort}>
                  {column.by ? (
                    <button type="button" class="head" title={text.list.sort(column.head)} onClick={() => onSort(nextSorting(column.key, order))}>
                      {column.head}
                      <span aria-hidden="true">{sort === 'descending' ? ' ▾' : sort === 'ascending' ? ' ▴' : ''}</span>
                    </button>
                  ) : (
                    column.head
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const id = idOf(row);
            return <RecordRow<T> key={id} row={row} id={id} nameOf={nameOf} columns={columns} chosen={chosen?.has(id)} onToggle={onToggle} />;
          })}
        </tbody>
      </table>
    </div>
  );
}

export function toggled(chosen: ReadonlySet<string>, id: string): Set<string> {
  const changed = new Set(chosen);
  if (!changed.delete(id)) changed.add(id);
  return changed;
}

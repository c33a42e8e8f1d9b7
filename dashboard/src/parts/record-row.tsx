import { Component } from 'preact';
import { text } from '../texts';
import type { Column } from './record-table';

interface Props<T> {
  row: T;
  id: string;
  nameOf: (row: T) => string;
  columns: readonly Column<T>[];
  /** Absent where rows cannot be chosen. */
  chosen: boolean | undefined;
  onToggle: (id: string) => void;
}

/** One row of a list. Choosing one of a thousand rows draws that row alone. */
export class RecordRow<T> extends Component<Props<T>> {
  override shouldComponentUpdate(next: Props<T>): boolean {
    return next.row !== this.props.row || next.chosen !== this.props.chosen || next.columns !== this.props.columns;
  }

  override render({ row, id, nameOf, columns, chosen, onToggle }: Props<T>) {
    return (
      <tr data-id={id} class={chosen ? 'chosen' : undefined}>
        {chosen !== undefined && (
          <td class="choose">
            <input type="checkbox" aria-label={text.list.choose(nameOf(row))} checked={chosen} onChange={() => onToggle(id)} />
          </td>
        )}
        {columns.map((column) => (
          <td key={column.key} data-label={column.head} class={column.number ? 'number' : undefined}>
            {column.cell(row)}
          </td>
        ))}
      </tr>
    );
  }
}

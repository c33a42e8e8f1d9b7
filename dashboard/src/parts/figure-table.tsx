import { useState } from 'preact/hooks';
import { text } from '../texts';

interface Props {
  label: string;
  /** The head and the rows, made when the table is opened. */
  rows: () => { head: string[]; body: string[][] };
}

/** The figures of a chart for those who cannot see the chart. */
export function FigureTable({ label, rows }: Props) {
  const [open, setOpen] = useState(false);
  const table = open ? rows() : undefined;
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary aria-label={label}>{text.figures}</summary>
      {table && (
        <div class="scroll" tabIndex={0} role="region" aria-label={label}>
          <table class="small">
            <thead>
              <tr>{table.head.map((cell) => <th key={cell} scope="col">{cell}</th>)}</tr>
            </thead>
            <tbody>
              {table.body.map((row) => (
                <tr key={row[0]}>{row.map((cell, index) => <td key={index}>{cell}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

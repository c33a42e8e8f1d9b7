import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Acted, Kind, Verb } from '../lib/actions';
import { verbsOf } from '../lib/actions';
import { usePage } from '../lib/context';
import { useQuery } from '../lib/hash';
import { useKeys, useKeysOn } from '../lib/keys';
import type { Pages } from '../lib/pages';
import { text } from '../texts';
import { ActionDialog, type Asked } from './action-dialog';
import { ChosenBar } from './chosen-bar';
import { ExportButton } from './export-button';
import { KeysDialog } from './keys-dialog';
import { ListFoot } from './list-foot';
import { FailureNotice, Loading, Notice } from './notice';
import { ordered, RecordTable, toggled, type Column } from './record-table';
import { focusedId, moveFocus } from './row-focus';

interface Props<T extends Acted> {
  kind: Kind;
  title: string;
  empty: string;
  pages: Pages<T>;
  columns: readonly Column<T>[];
  idOf: (row: T) => string;
  textOf: (row: T) => string;
  csvPage: Parameters<typeof ExportButton>[0]['page'];
  /** Orders in which the API answers. Others are those of the loaded rows. */
  ofApi?: readonly string[];
}

/** A list of incidents or anomalies: order, text, choice of several rows, keys, and what to say without rows. */
export function RecordList<T extends Acted>({ kind, title, empty, pages, columns, idOf, textOf, csvPage, ofApi }: Props<T>) {
  const { rights } = usePage();
  const [query, change] = useQuery();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<Asked>();
  const [message, setMessage] = useState('');
  const [help, setHelp] = useState(false);
  const [keysOn, setKeysOn] = useKeysOn();
  const sorting = query.get('sort');
  const rows = useMemo(() => ordered(pages.rows, columns, sorting), [pages.rows, columns, sorting]);
  const toggle = (id: string) => setChosen((before) => toggled(before, id));
  useEffect(() => setChosen((before) => (before.size === 0 ? before : new Set())), [query.toString()]);

  const ask = (verb: Verb) => {
    const focused = focusedId();
    const ids = chosen.size > 0 ? [...chosen] : focused ? [focused] : [];
    const fitting = pages.rows.filter((row) => ids.includes(idOf(row)) && verbsOf(row.state).includes(verb)).map(idOf);
    if (fitting.length > 0) setAsked({ kind, ask: verb, verb, ids: fitting });
  };
  const acts: Record<string, () => void> = rights.write
    ? {
        a: () => ask('acknowledge'),
        r: () => ask('resolve'),
        x: () => {
          const id = focusedId();
          if (id) toggle(id);
        },
      }
    : {};
  useKeys({ j: () => moveFocus(1), k: () => moveFocus(-1), '?': () => setHelp(true), ...acts }, keysOn);

  const done = (changed: Acted[], said: string) => {
    pages.replace(changed as T[]);
    setAsked(undefined);
    setChosen(new Set());
    setMessage(said);
  };

  return (
    <>
      <div class="list-head">
        <p role="status" class="quiet">
          {message} {pages.rows.length > 0 && text.list.shown(rows.length, pages.rows.length, pages.more)}{' '}
          {sorting && !ofApi?.includes(sorting) && pages.more && text.list.sortedHere}
        </p>
        <button type="button" class="plain" onClick={() => setHelp(true)}>{text.keys.title}</button>
        <ExportButton name={`${kind}.csv`} page={csvPage} />
      </div>
      {chosen.size > 0 && <ChosenBar rows={pages.rows.filter((row) => chosen.has(idOf(row)))} onAsk={ask} />}
      {pages.failure && <FailureNotice failure={pages.failure} again={pages.again} />}
      {rows.length > 0 && (
        <RecordTable
          what={title}
          rows={rows}
          columns={columns}
          idOf={idOf}
          nameOf={textOf}
          sorting={sorting}
          onSort={(sort) => change({ sort }, true)}
          chosen={rights.write ? chosen : undefined}
          onChoose={setChosen}
          onToggle={toggle}
        />
      )}
      {rows.length === 0 && pages.loading && <Loading />}
      {rows.length === 0 && !pages.loading && !pages.failure && <Notice title={empty} hint={text.list.emptyHint} />}
      <ListFoot pages={pages} />
      {asked && <ActionDialog asked={asked} onDone={done} onClose={() => setAsked(undefined)} />}
      {help && <KeysDialog on={keysOn} onSwitch={setKeysOn} acts={rights.write} onClose={() => setHelp(false)} />}
    </>
  );
}

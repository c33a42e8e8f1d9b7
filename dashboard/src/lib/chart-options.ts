import type uPlot from 'uplot';
import { text } from '../texts';
import { axisValue, localTime, quantity, tickTimes } from './format';
import { hasBand, isSparse, type Series, type Span } from './series';
import { colour } from './theme';

export interface ChartInput {
  series: Series;
  unit: string;
  earlier?: readonly { label: string; values: (number | null)[] }[];
  /** Windows that spoke. */
  spans?: readonly Span[];
  /** Without axes' labels and legend, for one of many small charts. */
  quiet?: boolean;
}

const DASHES = [[6, 4], [2, 3], [8, 3, 2, 3]];

export function chartOptions(input: ChartInput): { options: Omit<uPlot.Options, 'width' | 'height'>; data: uPlot.AlignedData } {
  const { series, unit, earlier = [], spans = [], quiet } = input;
  const band = hasBand(series);
  const sparse = isSparse(series);
  const show = (_: uPlot, value: number | null) => quantity(value, unit);
  const axis = { stroke: colour('text-quiet'), grid: { stroke: colour('line'), width: 1 }, ticks: { stroke: colour('line') } };
  const bandLine = { stroke: colour('chart-band-edge'), width: 1, points: { show: false }, spanGaps: sparse, value: show };
  return {
    options: {
      legend: { show: !quiet, live: true },
      cursor: { drag: { x: false, y: false }, show: !quiet },
      scales: { x: { time: true }, y: { range: (_, low, high) => yRange(low, high) } },
      axes: [
        { ...axis, size: 30, space: 70, values: (_, ticks) => tickTimes(ticks.map((tick) => tick * 1000)) },
        { ...axis, size: quiet ? 56 : 68, space: quiet ? 36 : 30, values: (_, ticks) => ticks.map((tick) => axisValue(tick, unit)) },
      ],
      series: [
        { value: (_, at) => (at === null ? text.none : localTime(at * 1000)), label: text.customer.hour },
        ...(band
          ? [{ label: text.incident.low, ...bandLine }, { label: text.incident.high, ...bandLine }]
          : []),
        ...earlier.map(({ label }, index) => ({
          label,
          stroke: colour('chart-earlier'),
          width: 1.5,
          dash: DASHES[index % DASHES.length],
          points: { show: false },
          value: show,
        })),
        { label: text.incident.value, stroke: colour('chart-value'), width: 2, points: { show: sparse, size: 4 }, spanGaps: sparse, value: show },
      ],
      bands: band ? [{ series: [2, 1], fill: colour('chart-band') }] : [],
      hooks: { drawClear: [(plot) => drawSpans(plot, spans)] },
    },
    data: [
      series.starts.map((start) => start / 1000),
      ...(band ? [series.low, series.high] : []),
      ...earlier.map(({ values }) => values),
      series.values,
    ],
  };
}

function yRange(low: number | null, high: number | null): [number, number] {
  const bottom = Math.min(0, low ?? 0);
  const top = Math.max(high ?? 0, bottom + 1e-9);
  return [bottom * 1.05, top === bottom ? 1 : top * 1.08];
}

function drawSpans(plot: uPlot, spans: readonly Span[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { from, to } of spans) {
    const left = Math.max(bbox.left, plot.valToPos(from / 1000, 'x', true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(to / 1000, 'x', true));
    if (right <= left) continue;
    ctx.fillStyle = colour('chart-span');
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = colour('critical');
    ctx.fillRect(left, bbox.top, right - left, 3 * devicePixelRatio);
  }
  ctx.restore();
}

/** The figures of a chart as a table, the newest hour first. */
export function tableOf({ series, unit, earlier = [] }: ChartInput): { head: string[]; body: string[][] } {
  const band = hasBand(series);
  const show = (value: number | null | undefined) => quantity(value, unit);
  const body = series.starts.map((start, index) => [
    localTime(start),
    show(series.values[index]),
    ...(band ? [show(series.low[index]), show(series.high[index])] : []),
    ...earlier.map(({ values }) => show(values[index])),
  ]);
  const head = [
    text.customer.hour,
    text.incident.value,
    ...(band ? [text.incident.low, text.incident.high] : []),
    ...earlier.map(({ label }) => label),
  ];
  return { head, body: body.reverse() };
}

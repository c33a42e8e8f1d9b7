import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { chartOptions, tableOf, type ChartInput } from '../lib/chart-options';
import { onThemeChange } from '../lib/theme';
import { text } from '../texts';
import { FigureTable } from './figure-table';

interface Props extends ChartInput {
  label: string;
  height?: number;
}

/** A chart of values by hour with the usual range behind them. The same figures are in a table below. */
export function Chart({ label, height = 260, ...input }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [colours, setColours] = useState(0);
  useEffect(() => onThemeChange(() => setColours((n) => n + 1)), []);

  useEffect(() => {
    const element = place.current!;
    const { options, data } = chartOptions(input);
    const plot = new uPlot({ ...options, width: element.clientWidth || 300, height }, data, element);
    plot.ctx.canvas.setAttribute('role', 'img');
    plot.ctx.canvas.setAttribute('aria-label', label);
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth || 300, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [input.series, input.earlier, input.spans, label, height, colours]);

  return (
    <figure class={input.quiet ? 'chart quiet-chart' : 'chart'}>
      <div ref={place} />
      {!input.quiet && <FigureTable label={`${label}: ${text.figures}`} rows={() => tableOf(input)} />}
    </figure>
  );
}

import { useSources } from '../lib/sources';
import { text } from '../texts';

export function SourcesTable() {
  const sources = useSources();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={text.runs.sources}>
      <table class="small">
        <thead>
          <tr>
            <th scope="col">{text.list.source}</th>
            <th scope="col">{text.list.metric}</th>
            <th scope="col">{text.incident.window}</th>
            <th scope="col">{text.runs.rules}</th>
          </tr>
        </thead>
        <tbody>
          {sources.flatMap((source) =>
            source.metrics.map((metric) => (
              <tr key={`${source.name} ${metric.metric}`}>
                <td>{source.name}</td>
                <td>{metric.metric} <small>{metric.unit}</small></td>
                <td>{metric.window}</td>
                <td>{metric.rules.length === 0 ? text.runs.models : metric.rules.join(', ')}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </div>
  );
}

import { Redirect, Route, Router, Switch } from 'wouter-preact';
import { pathId, readId } from './api/ids';
import { PageContext, type Page } from './lib/context';
import { addressOf, segment, useHashPath } from './lib/hash';
import { Frame } from './parts/frame';
import { Notice } from './parts/notice';
import { text } from './texts';
import { AnomalyView } from './views/anomaly';
import { AnomaliesView } from './views/anomalies';
import { CustomerView } from './views/customer';
import { EntityView } from './views/entity';
import { IncidentView } from './views/incident';
import { IncidentsView } from './views/incidents';
import { OverviewView } from './views/overview';
import { RunsView } from './views/runs';
import { SettingsView } from './views/settings';

/** The id in a part of the address. */
const idAt = (index: number) => readId(segment(index));

const useSearch = () => addressOf(location.hash).query;

export function App({ page }: { page: Page }) {
  const { customer, admin } = page.rights;
  const home = customer ? `/customers/${pathId(customer)}` : '/incidents';
  const operator = admin && !customer;
  return (
    <PageContext.Provider value={page}>
      <Router hook={useHashPath} searchHook={useSearch}>
        <Frame>
          <Switch>
            <Route path="/"><Redirect to={home} replace /></Route>
            <Route path="/overview"><OverviewView /></Route>
            <Route path="/incidents"><IncidentsView /></Route>
            <Route path="/incidents/:id">{() => <IncidentView id={idAt(1)} />}</Route>
            <Route path="/anomalies"><AnomaliesView /></Route>
            <Route path="/anomalies/:id">{() => <AnomalyView id={idAt(1)} />}</Route>
            <Route path="/customers/:id">{() => <CustomerView id={idAt(1)} />}</Route>
            <Route path="/sources/:source/entities/:path">
              {() => <EntityView source={idAt(1)} path={idAt(3)} />}
            </Route>
            <Route path="/settings">{operator ? <SettingsView /> : <Refused />}</Route>
            <Route path="/settings/:id">{() => (operator ? <SettingsView customer={idAt(1)} /> : <Refused />)}</Route>
            <Route path="/runs">{operator ? <RunsView /> : <Refused />}</Route>
            <Route><Unknown home={home} /></Route>
          </Switch>
        </Frame>
      </Router>
    </PageContext.Provider>
  );
}

const Refused = () => <Notice title={text.views.refused} hint={text.views.refusedHint} />;

const Unknown = ({ home }: { home: string }) => (
  <Notice title={text.views.unknown} hint={text.views.unknownHint}>
    <a class="button" href={`#${home}`}>{text.views.toIncidents}</a>
  </Notice>
);

import { Redirect, Route, Router, Switch } from 'wouter-preact';
import { pathId, readId } from './api/ids';
import { PageContext, type Page } from './lib/context';
import { addressOf, useHashPath } from './lib/hash';
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
            <Route path="/incidents/:id">{({ id }) => <IncidentView id={readId(id)} />}</Route>
            <Route path="/anomalies"><AnomaliesView /></Route>
            <Route path="/anomalies/:id">{({ id }) => <AnomalyView id={readId(id)} />}</Route>
            <Route path="/customers/:id">{({ id }) => <CustomerView id={readId(id)} />}</Route>
            <Route path="/sources/:source/entities/:path">
              {({ source, path }) => <EntityView source={readId(source)} path={readId(path)} />}
            </Route>
            <Route path="/settings">{operator ? <SettingsView /> : <Refused />}</Route>
            <Route path="/settings/:id">{({ id }) => (operator ? <SettingsView customer={readId(id)} /> : <Refused />)}</Route>
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

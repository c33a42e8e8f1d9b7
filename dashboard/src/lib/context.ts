import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Client } from '../api/client';
import type { Rights } from '../auth/rights';
import type { Config } from '../config';

/** What every view has: the client of the API, what the person may do, and the settings of the installation. */
export interface Page {
  client: Client;
  rights: Rights;
  config: Config;
  signOut: () => void;
}

export const PageContext = createContext<Page | null>(null);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (!page) throw new Error('A view is outside of the page.');
  return page;
}

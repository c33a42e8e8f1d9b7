// The part of a backtest's result that the preview shows. The API describes the result as an object of any form, so each
// field is checked.

export interface PreviewPage {
  customer: string;
  at: string;
  metrics: string[];
}

export interface Listed {
  total: number;
  pages: PreviewPage[];
}

export interface Preview {
  pages: number;
  fresh: Listed;
  gone: Listed;
  moved: number;
  same: number;
}

type Fields = Record<string, unknown>;

export function previewOf(result: unknown): Preview | undefined {
  const of = fields(result);
  if (typeof of.pages !== 'number') return undefined;
  const difference = fields(of.difference);
  return {
    pages: of.pages,
    fresh: listed(difference.new),
    gone: listed(difference.gone),
    moved: count(fields(difference.moved).total),
    same: count(difference.same),
  };
}

function listed(value: unknown): Listed {
  const of = fields(value);
  const entries = Array.isArray(of.listed) ? of.listed : [];
  return {
    total: count(of.total),
    pages: entries.map((entry) => {
      const page = fields(entry);
      const metrics = Array.isArray(page.entries) ? page.entries : [];
      return {
        customer: String(page.customer ?? ''),
        at: String(page.at ?? ''),
        metrics: metrics.map((one) => `${fields(one).metric ?? ''} ${fields(one).direction ?? ''}`.trim()),
      };
    }),
  };
}

const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const count = (value: unknown) => (typeof value === 'number' ? value : 0);

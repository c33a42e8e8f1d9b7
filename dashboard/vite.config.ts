import { defineConfig } from 'vitest/config';

// References are relative, so the page works under a stage path and under a domain of its own. Nothing is inlined, because
// the content security policy of the page allows files of its own address only.
export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: developmentProxy() },
  test: { include: ['src/**/*.test.ts'] },
});

// While developing, the routes of the API come from the address in DASHBOARD_API, such as that of `make up`.
function developmentProxy() {
  const target = process.env.DASHBOARD_API;
  return target ? { '^/(v1|api|dashboard.json|openapi.json)': { target, changeOrigin: true } } : undefined;
}

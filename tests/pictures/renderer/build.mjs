import { build } from 'esbuild';
import fs from 'fs';
// scenes 7.4.2 (npm) expects table defaultOptions that schema 12.4.0 dropped; unused here
const tablefix = {
  name: 'tablefix',
  setup(b) {
    b.onLoad({ filter: /composable\/table\/panelcfg\/x\/types\.gen\.mjs$/ }, (a) => ({
      contents: fs.readFileSync(a.path, 'utf8') + '\nexport const defaultOptions = {};\n',
      loader: 'js',
    }));
  },
};
// .mjs files get node-style interop in esbuild: module.exports.default is not unwrapped; these CJS packages need it
const interop = {
  name: 'interop',
  setup(b) {
    const re = /^(react-custom-scrollbars-2)$/;
    b.onResolve({ filter: re }, (a) =>
      a.namespace === 'iop' || a.pluginData === 'raw' ? undefined : { path: a.path, namespace: 'iop' },
    );
    b.onLoad({ filter: /.*/, namespace: 'iop' }, (a) => ({
      contents: `const m = require(${JSON.stringify(a.path)}); module.exports = m.default ?? m;`,
      resolveDir: process.cwd(),
      loader: 'js',
    }));
  },
};
await build({
  entryPoints: ['main.tsx'],
  bundle: true,
  outfile: 'dist/app.js',
  format: 'iife',
  jsx: 'automatic',
  logLimit: 12,
  sourcemap: false,
  keepNames: true,
  plugins: [tablefix, interop],
  define: { 'process.env.NODE_ENV': JSON.stringify(process.env.M ?? 'production') },
  alias: { 'react-router-dom-v5-compat': 'react-router-dom' },
  loader: { '.svg': 'dataurl', '.ttf': 'dataurl', '.woff2': 'dataurl', '.png': 'dataurl' },
});

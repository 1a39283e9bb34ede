// node shot.mjs PROMETHEUS_URL JOBS.json: takes pictures. A job has `png`, and either `dashboard` (a file) or `url`; the
// height of the picture is that of the page, or `height` at most. Prints a line of JSON a job; exit 1 when a panel failed.
// Nothing here judges how long anything takes: a picture is taken once nothing is loading any more.
import fs from 'fs';
import http from 'http';
import path from 'path';
import puppeteer from 'puppeteer-core';

const [prometheus, jobs] = process.argv.slice(2);
const WIDTH = 1440;
const TALLEST = 8000;
const TRIES = 5;
let bad = 0; // panels that failed, and pictures
const PATIENCE = 600; // looks, one a second
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html' };

const forward = (query, answer) =>
  http
    .get(prometheus + query.url.slice('/prom'.length), (got) => {
      answer.writeHead(got.statusCode, { 'content-type': 'application/json' });
      got.pipe(answer);
    })
    .on('error', (error) => {
      answer.writeHead(502);
      answer.end(JSON.stringify({ status: 'error', error: error.message }));
    });

const server = http
  .createServer((query, answer) => {
    if (query.url.startsWith('/prom/')) return forward(query, answer);
    const name = query.url.split('?')[0];
    const images = '/public/build/img';
    const file = name.startsWith(images)
      ? 'node_modules/@grafana/ui/dist/public/' + name.slice('/public/build/'.length)
      : name === '/'
        ? 'index.html'
        : 'dist' + name;
    if (!fs.existsSync(file)) return answer.writeHead(404).end();
    answer.setHeader('content-type', TYPES[path.extname(file)] ?? 'text/plain');
    answer.end(fs.readFileSync(file));
  })
  .listen(0, '127.0.0.1');
await new Promise((ready) => server.once('listening', ready));
const base = `http://127.0.0.1:${server.address().port}`;

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  protocolTimeout: 0,
  timeout: 0,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ],
});
const pause = () => new Promise((over) => setTimeout(over, 1000));

async function settled(page) {
  for (let look = 0; look < PATIENCE; look++) {
    await pause();
    const done = await page.evaluate(() => {
      const panels = window.__log?.panels?.();
      return panels?.length && panels.every((p) => p.state === 'Done' || p.state === 'Error' || p.pluginError);
    });
    if (done) return pause();
  }
}

const isOneColumn = () => {
  const items = [...document.querySelectorAll('.react-grid-item, [data-viz-panel-key], section')];
  return items.length > 1 && items.every((item) => item.getBoundingClientRect().left < 20);
};

async function take(job) {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  const dashboard = job.dashboard ? JSON.parse(fs.readFileSync(job.dashboard)) : null;
  // As high as it is from the start: a window that grows later may find the layout half made.
  const rows = dashboard ? Math.max(...dashboard.panels.map((panel) => panel.gridPos.y + panel.gridPos.h)) : 0;
  await page.setViewport({ width: WIDTH, height: dashboard ? Math.min(120 + 38 * rows, TALLEST) : 900 });
  let told = { panels: [], errors: [] };
  if (dashboard) {
    await page.evaluateOnNewDocument(
      (board, url) => {
        window.DASH = board;
        window.PROM_URL = url;
      },
      dashboard,
      base + '/prom',
    );
    // On a busy machine the grid is now and then measured before it has a width, and stays one column. Then once more.
    for (let once = 0; once < TRIES; once++) {
      await page.goto(base + '/');
      await page.waitForFunction(() => window.__log?.panels);
      await settled(page);
      if (!(await page.evaluate(isOneColumn))) break;
      if (once === TRIES - 1) bad++;
    }
    told = await page.evaluate(() => ({ panels: window.__log.panels(), errors: window.__log.errors }));
  } else {
    await page.goto(job.url);
    await pause();
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewport({ width: WIDTH, height: Math.min(height, job.height ?? TALLEST) });
  }
  const shown = page.viewport().height;
  await page.screenshot({
    path: job.png,
    clip: { x: 0, y: 0, width: WIDTH, height: Math.min(shown, job.height ?? TALLEST) },
  });
  await page.close();
  const failed = told.panels.filter((p) => p.state !== 'Done' || p.error || p.pluginError);
  const empty = told.panels.filter((p) => p.state === 'Done' && !p.points).map((p) => p.title);
  const causes = failed.map((p) => [p.title, p.error ?? p.pluginError ?? p.state]);
  console.log(JSON.stringify({ png: job.png, panels: told.panels.length, failed: causes, empty, errors: told.errors }));
  return failed.length + told.errors.length;
}

for (const job of JSON.parse(fs.readFileSync(jobs))) bad += await take(job);
await browser.close();
server.close();
process.exit(bad ? 1 : 0);

// Shows a Grafana dashboard with Grafana's own npm libraries (scenes, ui, prometheus) and live data from a Prometheus.
// Own code: the mapping from dashboard JSON to scenes, the /api/ds/query adapter, the wrappers named after the core panels.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { from, map, of, catchError, startWith } from 'rxjs';
import { BrowserRouter } from 'react-router-dom';
import * as D from '@grafana/data';
import * as R from '@grafana/runtime';
import * as UI from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import * as S from '@grafana/scenes';
import { PrometheusDatasource } from '@grafana/prometheus';
import { initPluginTranslations } from '@grafana/i18n';

const PROM = (window as any).PROM_URL ?? 'http://127.0.0.1:9499';
const log: any = ((window as any).__log = { queries: [], errors: [], mapped: [] });
window.addEventListener('error', (e) => log.errors.push('window: ' + e.message));
const theme = D.createTheme({ colors: { mode: 'dark' } });
(R.config as any).theme2 = theme;
(R.config as any).featureToggles = {};

// ---- /api/ds/query adapter: stands in for Grafana's Go promlib -------------
const legend = (fmt: string, m: any, expr: string) =>
  fmt && fmt !== '__auto'
    ? fmt.replace(/\{\{\s*(\w+)\s*\}\}/g, (_: any, k: string) => m[k] ?? '')
    : Object.keys(m).length
      ? JSON.stringify(m)
      : expr;
async function dsQuery(body: any) {
  const results: any = {};
  for (const q of body.queries) {
    const step = Math.max(2, Math.ceil((q.intervalMs ?? 2000) / 1000));
    const sub: any = {
      $__rate_interval: Math.max(step * 4, 10) + 's',
      $__interval: step + 's',
      $__range: Math.round((body.to - body.from) / 1000) + 's',
    };
    const expr = q.expr.replace(/\$\{?(__rate_interval|__interval|__range)\}?/g, (_: any, k: string) => sub['$' + k]);
    const inst = q.instant && !q.range;
    const u = inst
      ? `${PROM}/api/v1/query?query=${encodeURIComponent(expr)}&time=${body.to / 1000}`
      : `${PROM}/api/v1/query_range?query=${encodeURIComponent(expr)}&start=${body.from / 1000}&end=${body.to / 1000}&step=${step}`;
    const r = await (await fetch(u)).json();
    log.queries.push({ refId: q.refId, expr, status: r.status, n: r.data?.result?.length, error: r.error });
    if (r.status !== 'success') {
      results[q.refId] = { error: r.error, status: 400, frames: [] };
      continue;
    }
    results[q.refId] = {
      status: 200,
      frames: r.data.result.map((s: any) => {
        const v = s.values ?? [s.value],
          { __name__, ...labels } = s.metric;
        return {
          schema: {
            refId: q.refId,
            meta: { type: 'timeseries-multi', custom: { resultType: inst ? 'vector' : 'matrix' } },
            fields: [
              { name: 'Time', type: 'time', typeInfo: { frame: 'time.Time' } },
              {
                name: 'Value',
                type: 'number',
                typeInfo: { frame: 'float64' },
                labels: s.metric,
                config: q.format === 'table' ? {} : { displayNameFromDS: legend(q.legendFormat, s.metric, expr) },
              },
            ],
          },
          data: { values: [v.map((p: any) => p[0] * 1000), v.map((p: any) => Number(p[1]))] },
        };
      }),
    };
  }
  return { results };
}
const backend: any = {
  fetch: (o: any) =>
    from(
      (async () => {
        if (o.url.includes('/api/ds/query'))
          return { data: await dsQuery({ ...o.data, from: +o.data.from, to: +o.data.to }), status: 200, ok: true };
        const m = o.url.match(/resources\/(api\/v1\/.*)$/);
        const qs = new URLSearchParams(o.params ?? {}).toString();
        if (m)
          return {
            data: await (await fetch(`${PROM}/${m[1]}${qs ? (m[1].includes('?') ? '&' : '?') + qs : ''}`)).json(),
            status: 200,
            ok: true,
          };
        throw { status: 404, data: { message: 'no ' + o.url } };
      })(),
    ),
  get: (url: string, params: any) =>
    backend
      .fetch({ url, params })
      .toPromise()
      .then((r: any) => r.data),
  datasourceRequest: (o: any) => backend.fetch(o).toPromise(),
};
const tpl: any = {
  getVariables: () => [],
  updateTimeRange() {},
  containsTemplate: (s: string) => /\$/.test(s ?? ''),
  getAdhocFilters: () => [],
  replace: (s: string, sv: any, f: any) =>
    s == null ? s : S.sceneGraph.interpolate(sv?.__sceneObject?.value?.valueOf() ?? scene, s, sv, f),
};
const dsSettings: any = {
  uid: 'prom',
  name: 'Prometheus',
  type: 'prometheus',
  id: 1,
  url: '/',
  access: 'proxy',
  jsonData: { httpMethod: 'GET', timeInterval: '2s' },
  meta: { id: 'prometheus', name: 'Prometheus', info: {} as any, module: '', baseUrl: '', type: 'datasource' },
  readOnly: true,
};
let ds: any;
R.setBackendSrv(backend);
R.setTemplateSrv(tpl);
R.setEchoSrv({ addEvent() {}, flush() {}, addBackend() {} } as any);
R.setAppEvents?.(new D.EventBusSrv());
R.setLocationSrv?.({ update() {} } as any);
R.setDataSourceSrv({
  get: async () => ds,
  getInstanceSettings: () => dsSettings,
  getList: () => [dsSettings],
  reload() {},
} as any);
R.setRunRequest(((d: any, req: any, qf?: any) => {
  const base = { request: req, timeRange: req.range };
  const o: any = qf ? qf(req) : d.query(req);
  return (o?.subscribe ? o : from(Promise.resolve(o))).pipe(
    map((resp: any) => ({
      ...base,
      state: resp.error || resp.errors?.length ? D.LoadingState.Error : D.LoadingState.Done,
      error: resp.error,
      errors: resp.errors,
      series: (resp.data ?? []).map((x: any) => (x?.fields || x?.target || x?.columns ? D.toDataFrame(x) : x)),
    })),
    catchError((e: any) => {
      log.errors.push('query: ' + (e?.message ?? JSON.stringify(e)));
      return of({ ...base, state: D.LoadingState.Error, error: e, series: [] });
    }),
  );
}) as any);
try {
  ds = new PrometheusDatasource(dsSettings, tpl);
  ds.uid = 'prom';
} catch (e: any) {
  log.errors.push('ds: ' + e.stack);
}

const P = (id: string, process: any, o: any = {}) => ({
  id,
  path: id,
  name: id,
  description: '',
  editor: () => null,
  override: () => null,
  process,
  shouldApply: () => true,
  settings: {},
  ...o,
});
D.standardFieldConfigEditorRegistry.setInit(
  () =>
    [
      P('displayName', D.displayNameOverrideProcessor),
      P('unit', D.unitOverrideProcessor),
      P('min', D.numberOverrideProcessor),
      P('max', D.numberOverrideProcessor),
      P('decimals', D.numberOverrideProcessor),
      P('noValue', D.stringOverrideProcessor),
      P('color', (v: any) => v ?? { mode: 'palette-classic' }),
      P('mappings', D.valueMappingsOverrideProcessor),
      P('thresholds', D.thresholdsOverrideProcessor),
      P('links', (v: any) => v),
    ] as any,
);
D.standardEditorsRegistry.setInit(() => []);
D.standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(D.standardTransformers).map((t: any) => [t.id, t])).values()].map(
    (t: any) =>
      ({ id: t.id, name: t.name, transformation: t, editor: () => null, aliasIds: [], isDisabled: false }) as any,
  ),
);

// ---- panels: Grafana's own @grafana/ui visualisations behind the core ids ---
const fmt = (f: any) => (v: any) => (f.display ?? D.getDisplayProcessor({ field: f, theme }))(v);
const values = (p: any) =>
  D.getFieldDisplayValues({
    fieldConfig: p.fieldConfig,
    reduceOptions: p.options.reduceOptions ?? { calcs: ['lastNotNull'] },
    replaceVariables: p.replaceVariables,
    theme,
    data: p.data.series,
    timeZone: p.timeZone,
  });
const TS = (p: any) => {
  if (!p.data.series.length) return <div>No data</div>;
  const frames = p.data.series.map((s: any) => ({
    ...s,
    fields: s.fields.map((f: any) => ({
      ...f,
      config: {
        ...f.config,
        custom: {
          drawStyle: 'line',
          lineWidth: 1,
          fillOpacity: 0,
          showPoints: 'auto',
          pointSize: 5,
          axisPlacement: 'auto',
          lineInterpolation: 'linear',
          scaleDistribution: { type: 'linear' },
          hideFrom: { viz: false, legend: false, tooltip: false },
          stacking: { mode: 'none', group: 'A' },
          thresholdsStyle: { mode: 'off' },
          ...Object.fromEntries(
            Object.entries(f.config.custom ?? {}).filter(([, v]) => (v != null && typeof v !== 'string') || v),
          ),
        },
      },
    })),
  }));
  return (
    <UI.TimeSeries
      frames={frames}
      structureRev={p.data.structureRev}
      timeRange={p.timeRange}
      timeZone={p.timeZone}
      width={p.width}
      height={p.height}
      legend={{ displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [], ...p.options.legend } as any}
      options={p.options}
      replaceVariables={p.replaceVariables}
      dataLinkPostProcessor={undefined as any}
    />
  );
};
const Grid = ({ n, children }: any) => (
  <div style={{ display: 'flex', flexDirection: n ? 'column' : 'row' }}>{children}</div>
);
const Stat = (p: any) => {
  const vs = values(p);
  return (
    <div style={{ display: 'flex' }}>
      {vs.map((v: any, i: number) => (
        <UI.BigValue
          key={i}
          theme={theme}
          value={v.display}
          sparkline={v.sparkline}
          width={p.width / vs.length}
          height={p.height}
          colorMode={p.options.colorMode ?? 'value'}
          graphMode={p.options.graphMode ?? 'area'}
          justifyMode={p.options.justifyMode ?? 'auto'}
          textMode={p.options.textMode ?? 'auto'}
        />
      ))}
    </div>
  );
};
const GaugeP = (p: any) => (
  <div>
    {values(p).map((v: any, i: number) => (
      <UI.BarGauge
        key={i}
        theme={theme}
        width={p.width}
        height={p.height}
        field={v.field}
        value={v.display}
        display={v.view?.getFieldDisplayProcessor(v.colIndex)}
        orientation={'vertical' as any}
        displayMode={'gradient' as any}
      />
    ))}
  </div>
);
const BarP = (p: any) => {
  const vs = values(p);
  return (
    <Grid n>
      {vs.map((v: any, i: number) => (
        <UI.BarGauge
          key={i}
          theme={theme}
          width={p.width}
          height={p.height / vs.length}
          field={v.field}
          value={v.display}
          display={v.view?.getFieldDisplayProcessor(v.colIndex)}
          orientation={'horizontal' as any}
          displayMode={p.options.displayMode ?? 'gradient'}
        />
      ))}
    </Grid>
  );
};
const TableP = (p: any) => (
  <UI.Table
    data={p.data.series[0] ?? D.toDataFrame({ fields: [] })}
    width={p.width}
    height={p.height}
    structureRev={1}
    fieldConfig={p.fieldConfig}
    timeRange={p.timeRange}
    getActions={() => []}
  />
);
const TextP = (p: any) => <div dangerouslySetInnerHTML={{ __html: D.renderMarkdown(p.options.content ?? '') }} />;
const plugins: any = { timeseries: TS, stat: Stat, gauge: GaugeP, bargauge: BarP, table: TableP, text: TextP };
const cache: any = {};
for (const [id, C] of Object.entries(plugins)) {
  const pl = new D.PanelPlugin(C as any);
  pl.useFieldConfig({});
  pl.meta = { id, name: id, info: {} as any, type: 'panel' as any, module: '', baseUrl: '', sort: 1 } as any;
  cache[id] = pl;
}
R.setPluginImportUtils({
  importPanelPlugin: async (id: string) => {
    if (!cache[id]) throw new Error('Panel plugin not found: ' + id);
    return cache[id];
  },
  getPanelPluginFromCache: (id: string) => cache[id],
} as any);

// ---- dashboard JSON -> scene -----------------------------------------------
const ref = (d: any) => {
  if (typeof d === 'string' || d == null) log.mapped.push(d);
  return { uid: 'prom', type: 'prometheus' };
};
const d: any = (window as any).DASH;
const vars = (d.templating?.list ?? [])
  .filter((v: any) => v.type !== 'datasource' && v.type !== 'adhoc')
  .map((v: any) =>
    v.type === 'query'
      ? new S.QueryVariable({
          name: v.name,
          label: v.label,
          query: v.query,
          datasource: ref(v.datasource),
          isMulti: v.multi,
          includeAll: v.includeAll,
          allValue: v.allValue,
          value: v.includeAll ? '$__all' : '',
          text: 'All',
        })
      : v.type === 'interval' || v.type === 'custom'
        ? new S.CustomVariable({ name: v.name, query: v.query, isMulti: v.multi, includeAll: v.includeAll })
        : new S.ConstantVariable({ name: v.name, value: v.query }),
  );
const flat: any[] = d.panels; // what lies in a collapsed row is not shown, and not asked for
log.panels = () =>
  flat
    .filter((p: any) => p.type !== 'row' && p.type !== 'text')
    .map((p: any) => {
      const v: any = S.sceneGraph.findByKey(scene, 'panel-' + p.id);
      const x = v?.state.$data?.state.data;
      return {
        id: p.id,
        title: p.title,
        type: p.type,
        state: x?.state,
        frames: x?.series?.length ?? 0,
        points: (x?.series ?? []).reduce((n: number, f: any) => n + f.length, 0),
        error: x?.error?.message ?? x?.errors?.[0]?.message,
        pluginError: v?.state._pluginLoadError,
      };
    });
const scene: any = new S.EmbeddedScene({
  $timeRange: new S.SceneTimeRange({ from: d.time?.from ?? 'now-1h', to: d.time?.to ?? 'now' }),
  $variables: new S.SceneVariableSet({ variables: vars }),
  controls: [
    new S.VariableValueSelectors({}),
    new S.SceneControlsSpacer(),
    new S.SceneTimePicker({}),
    new S.SceneRefreshPicker({ refresh: d.refresh || '' }),
  ],
  body: new S.SceneGridLayout({
    children: flat.map((p: any) => {
      if (p.type === 'row')
        return new S.SceneGridItem({
          x: 0,
          y: p.gridPos.y,
          width: 24,
          height: 1,
          body: new S.VizPanel({
            key: 'panel-' + p.id,
            title: p.title,
            pluginId: 'text',
            displayMode: 'transparent' as any,
            options: { content: '' },
          }),
        });
      const fd = p.fieldConfig?.defaults ?? {};
      if (fd.thresholds && !Array.isArray(fd.thresholds.steps)) {
        log.errors.push(
          `panel ${p.id} "${p.title}": thresholds.steps is ${JSON.stringify(fd.thresholds.steps)}, not a list`,
        );
      }
      const clean = JSON.parse(JSON.stringify(p.fieldConfig ?? { defaults: {}, overrides: [] }), (k, v) =>
        v === null ? undefined : v,
      );
      if (!Array.isArray(clean.defaults?.thresholds?.steps) || !clean.defaults.thresholds.steps.length)
        clean.defaults.thresholds = { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }] };
      return new S.SceneGridItem({
        ...{ x: p.gridPos.x, y: p.gridPos.y, width: p.gridPos.w, height: p.gridPos.h },
        body: new S.VizPanel({
          key: 'panel-' + p.id,
          title: p.title,
          pluginId: p.type,
          options: p.options ?? {},
          fieldConfig: clean,
          pluginVersion: '12.4.0',
          $data: new S.SceneDataTransformer({
            $data: new S.SceneQueryRunner({
              datasource: ref(p.datasource),
              queries: (p.targets ?? []).map((t: any) => ({
                ...t,
                datasource: ref(t.datasource ?? p.datasource),
                range: !t.instant,
              })),
            }),
            transformations: p.transformations ?? [],
          }),
        }),
      });
    }),
  }),
});
(window as any).scene = scene;
class Guard extends React.Component<any, any> {
  state = { e: null as any };
  static getDerivedStateFromError(e: any) {
    return { e };
  }
  componentDidCatch(e: any) {
    log.errors.push('render: ' + e.stack?.slice(0, 600));
  }
  render() {
    return this.state.e ? <pre>{String(this.state.e)}</pre> : this.props.children;
  }
}
const App = () => (
  <Guard>
    <D.ThemeContext.Provider value={theme}>
      <UI.GlobalStyles />
      <UI.PortalContainer />
      <BrowserRouter>
        <div style={{ height: '100vh', background: theme.colors.background.canvas, color: theme.colors.text.primary }}>
          <h3 style={{ padding: '8px 16px', margin: 0 }}>{d.title}</h3>
          <scene.Component model={scene} />
        </div>
      </BrowserRouter>
    </D.ThemeContext.Provider>
  </Guard>
);
initPluginTranslations('grafana', [S.loadResources as any])
  .catch((e: any) => log.errors.push('i18n ' + e))
  .finally(() => createRoot(document.getElementById('root')!).render(<App />));

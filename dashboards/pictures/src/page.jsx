// The page: a dashboard's title and variables, and its panels where `gridPos` puts them.

import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';

import {createTheme, DashboardCursorSync, dateTime, EventBusSrv, ThemeContext} from '@grafana/data';
import {GlobalStyles, PanelChrome, PanelContextProvider} from '@grafana/ui';
import {createRoot} from 'react-dom/client';

import './icons.js';
import {transformed} from './fields.js';
import {frames, span} from './frames.js';
import {Lines, Rows, Stat} from './panels.jsx';
import {Heatmap, States} from './plots.jsx';

const KINDS = {timeseries: Lines, stat: Stat, table: Rows, heatmap: Heatmap, 'state-timeline': States};

// Grafana's grid: 24 columns, rows of 30 pixels, 8 between.
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
const WIDTH = 1400;

const {dashboard, panels: asked, theme: mode} = window.picture;
const theme = createTheme({colors: {mode}});

function place({x, y, w, h}) {
  const column = (WIDTH - GAP) / COLUMNS;
  return {left: GAP + x * column, top: y * (ROW + GAP), width: w * column - GAP, height: h * (ROW + GAP) - GAP};
}

function Panel({panel, data, range}) {
  const box = place(panel.gridPos);
  const absolute = {position: 'absolute', left: box.left, top: box.top};
  if (panel.type === 'row') {
    return <h2 style={{...absolute, margin: 0, lineHeight: `${ROW}px`, fontSize: 16, fontWeight: 500}}>{panel.title}</h2>;
  }
  const Kind = KINDS[panel.type];
  const none = <div style={{height: '100%', display: 'grid', placeItems: 'center', color: theme.colors.text.secondary}}>No data</div>;
  const inside = (width, height) => (data.length === 0 ? none : <Kind {...{panel, range, theme, width, height}} frames={data} />);
  return (
    <div style={absolute} data-panel={panel.title} data-empty={data.length === 0}>
      <PanelChrome title={panel.title} description={panel.description} width={box.width} height={box.height} padding={panel.type === 'table' ? 'none' : 'md'}>
        {inside}
      </PanelChrome>
    </div>
  );
}

function Variables() {
  const box = {border: `1px solid ${theme.colors.border.medium}`, padding: '4px 8px', lineHeight: '22px'};
  const one = variable => (
    <span key={variable.name} style={{display: 'inline-flex', marginRight: 8, fontSize: 12}}>
      <span style={{...box, background: theme.colors.background.secondary, fontWeight: 500}}>{variable.label}</span>
      <span style={{...box, borderLeft: 0, minWidth: 70, background: theme.components.input.background}}>{variable.current?.text?.[0] ?? 'Prometheus'}</span>
    </span>
  );
  return <div>{dashboard.templating.list.map(one)}</div>;
}

function Page({drawn, range}) {
  const bottom = Math.max(...dashboard.panels.map(panel => panel.gridPos.y + panel.gridPos.h));
  const time = when => when.utc().format('HH:mm:ss');
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles isExtensionSidebarOpen={false} />
      <PanelContextProvider value={{eventsScope: 'picture', eventBus: new EventBusSrv(), sync: () => DashboardCursorSync.Off}}>
        <div id="dashboard" style={{width: WIDTH, background: theme.colors.background.canvas, color: theme.colors.text.primary}}>
          <header style={{padding: `12px ${GAP}px 10px`, display: 'flex', justifyContent: 'space-between'}}>
            <div>
              <h1 style={{fontSize: 20, fontWeight: 500, margin: '0 0 10px'}}>{dashboard.title}</h1>
              <Variables />
            </div>
            <span style={{color: theme.colors.text.secondary, fontSize: 12}}>
              {time(range.from)} to {time(range.to)} UTC
            </span>
          </header>
          <div style={{position: 'relative', height: bottom * (ROW + GAP)}}>
            {drawn.map(({panel, data}) => (
              <Panel key={panel.id} {...{panel, data, range}} />
            ))}
          </div>
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
}

const answers = new Map(asked.map(one => [`${one.row}/${one.title}`, one.answers]));
const {from, to, step} = span(asked.flatMap(one => one.answers));
const range = {from: dateTime(from), to: dateTime(to), raw: {from: dateTime(from), to: dateTime(to)}};
let row = '';
const drawn = [];
for (const panel of dashboard.panels) {
  if (panel.type === 'row') row = panel.title;
  const data = panel.type === 'row' ? [] : frames(panel, answers.get(`${row}/${panel.title}`) ?? [], {step});
  drawn.push({panel, data: await transformed(panel, data)});
}
await Promise.all([400, 500].map(weight => document.fonts.load(`${weight} 12px Inter`)));
createRoot(document.getElementById('root')).render(<Page drawn={drawn} range={range} />);

// The two kinds of panel that Grafana's library has no component for, heatmap and state timeline. Axes, scales, colours and
// formats are Grafana's; the coloured cells are drawn here.

import {formattedValueToString, getFieldDisplayName, getValueFormat} from '@grafana/data';
import {AxisPlacement, ScaleDirection, ScaleOrientation} from '@grafana/schema';
import {UPlotChart, UPlotConfigBuilder, VizLayout, VizLegend} from '@grafana/ui';
import {interpolateOranges} from 'd3-scale-chromatic';
import {useMemo} from 'react';

import {configured} from './fields.js';

/** Height of a heatmap's legend. */
const LEGEND = 22;

/** Time to the right, and rows of equal height from the bottom up, each with its name; `draw` gets a box for each row. */
function rowsPlot({range, theme, names, every, size, draw}) {
  const builder = new UPlotConfigBuilder('utc');
  const time = {scaleKey: 'x', isTime: true, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right};
  builder.addScale({...time, range: () => [range.from.valueOf(), range.to.valueOf()]});
  builder.addScale({scaleKey: 'y', orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, names.length]});
  builder.addAxis({scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: 'utc', theme});
  builder.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    theme,
    size,
    grid: {show: false},
    ticks: {show: false},
    splits: () => names.flatMap((_, row) => (row % every === 0 ? [row + 0.5] : [])),
    values: (_, splits) => splits.map(at => names[Math.floor(at)]),
  });
  builder.addSeries({scaleKey: 'y', theme, pathBuilder: () => null, pointsBuilder: () => false});
  builder.addHook('draw', plot => {
    const {ctx} = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    for (let row = 0; row < names.length; row += 1) {
      const top = plot.valToPos(row + 1, 'y', true);
      draw(ctx, row, {top, height: plot.valToPos(row, 'y', true) - top, at: when => plot.valToPos(when, 'x', true)});
    }
    ctx.restore();
  });
  return builder;
}

/** Buckets over time, the fuller the brighter. */
export function Heatmap({panel, frames, range, theme, width, height}) {
  const [frame] = frames;
  const [time, ...rows] = frame.fields;
  const most = Math.max(...rows.flatMap(row => row.values));
  const colour = share => interpolateOranges(theme.isDark ? 1 - share : share);
  const {plot, data} = useMemo(() => {
    const format = getValueFormat(panel.options.yAxis.unit);
    const name = row => (row.name === '+Inf' ? '+Inf' : formattedValueToString(format(Number(row.name))));
    const step = time.config.interval;
    const cells = (ctx, row, {top, height: tall, at}) =>
      rows[row].values.forEach((value, column) => {
        if (value <= 1e-9) return;
        const [left, right] = [at(time.values[column] - step), at(time.values[column])];
        ctx.fillStyle = colour(value / most);
        ctx.fillRect(left, top, Math.max(1, right - left - 1), Math.max(1, tall - 1));
      });
    const every = Math.ceil((rows.length * 16) / height);
    return {
      plot: rowsPlot({range, theme, names: rows.map(name), every, size: 58, draw: cells}),
      data: [time.values, time.values.map(() => null)],
    };
  }, [panel, frames, height]);
  const format = getValueFormat('short');
  const stops = [0, 0.25, 0.5, 0.75, 1].map(colour).join(', ');
  return (
    <>
      <UPlotChart config={plot} data={data} width={width} height={height - LEGEND} />
      <div style={{display: 'flex', alignItems: 'center', gap: 8, paddingLeft: 58, height: LEGEND, fontSize: 12}}>
        <span>0</span>
        <span style={{width: 160, height: 8, background: `linear-gradient(to right, ${stops})`}} />
        <span>{formattedValueToString(format(most))} a second</span>
      </div>
    </>
  );
}

/** A band for each series, in the colours of its states. */
export function States({panel, frames, range, theme, width, height}) {
  const data = configured(panel, frames, theme);
  const [seen, plot, points] = useMemo(() => {
    // The first series is on top, as in Grafana.
    const rows = data.map(frame => ({time: frame.fields[0], value: frame.fields[1], name: getFieldDisplayName(frame.fields[1], frame, data)})).reverse();
    const states = new Map();
    for (const {value} of rows) {
      for (const one of value.values) {
        const {text, color} = value.display(one);
        states.set(text, color);
      }
    }
    const band = (ctx, row, {top, height: tall, at}) => {
      const {time, value} = rows[row];
      const margin = (tall * (1 - (panel.options.rowHeight ?? 0.9))) / 2;
      time.values.forEach((when, point) => {
        const next = time.values[point + 1] ?? when;
        ctx.fillStyle = theme.visualization.getColorByName(value.display(value.values[point]).color);
        ctx.globalAlpha = (panel.fieldConfig.defaults.custom?.fillOpacity ?? 70) / 100;
        ctx.fillRect(Math.round(at(when)), top + margin, Math.round(at(next)) - Math.round(at(when)), tall - 2 * margin);
      });
    };
    const names = rows.map(row => row.name);
    const size = Math.min(260, 16 + 6.6 * Math.max(...names.map(name => name.length)));
    const times = rows[0].time.values;
    return [[...states], rowsPlot({range, theme, names, every: 1, size, draw: band}), [times, times.map(() => null)]];
  }, [panel, frames]);
  const items = seen.map(([label, color]) => ({label, color, yAxis: 1, getItemKey: () => label}));
  const legend = (
    <VizLayout.Legend placement="bottom">
      <VizLegend placement="bottom" displayMode="list" items={items} />
    </VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(inner, tall) => <UPlotChart config={plot} data={points} width={inner} height={tall} />}
    </VizLayout>
  );
}

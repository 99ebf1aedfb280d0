// Prometheus's answers as Grafana's data frames, in the forms that Grafana's data source for Prometheus gives them.

import {FieldType, formatLabels, renderLegendFormat} from '@grafana/data';

/** What Prometheus writes as text: `NaN` and `+Inf` are numbers too. */
const number = text => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text));

/** A frame for each series, or one for all in the formats `heatmap` and `table`. */
export function frames(panel, answers, {step}) {
  return panel.targets.flatMap((target, at) => {
    const series = answers[at]?.result ?? [];
    if (series.length === 0) return [];
    if (target.format === 'table') return [table(target.refId, panel.targets.length, series)];
    if (target.format === 'heatmap') return [buckets(target.refId, series, step)];
    return series.map(one => course(target, one, step));
  });
}

/** The first and the last moment of a dashboard's data, and the time between two points, in milliseconds. */
export function span(answers) {
  const all = answers.flatMap(one => one.result).flatMap(one => (one.values ?? []).map(([time]) => milliseconds(time)));
  const times = [...new Set(all)].sort((a, b) => a - b);
  const step = Math.min(...times.slice(1).map((time, at) => time - times[at]));
  return {from: times[0], to: times.at(-1), step};
}

const milliseconds = seconds => Math.round(seconds * 1000);

/** Where Prometheus has no value, Grafana has a point without one: a gap. */
function course({refId, legendFormat}, {metric, values}, step) {
  const points = values.flatMap(([at, text], place) => {
    const point = [milliseconds(at), number(text)];
    const before = place > 0 ? milliseconds(values[place - 1][0]) : point[0];
    return point[0] - before > 1.5 * step ? [[before + step, null], point] : [point];
  });
  const {__name__: name, ...labels} = metric;
  const legend = legendFormat ? renderLegendFormat(legendFormat, labels) : `${name ?? ''}${formatLabels(labels, '')}`;
  const time = {name: 'Time', type: FieldType.time, config: {interval: step}, values: points.map(([at]) => at)};
  const value = {
    name: 'Value',
    type: FieldType.number,
    config: {displayNameFromDS: legend || 'Value'},
    labels,
    values: points.map(([, one]) => one),
  };
  return {refId, fields: [time, value], length: points.length};
}

/** A row for each series: its labels, then its value. */
function table(refId, targets, series) {
  const names = [...new Set(series.flatMap(one => Object.keys(one.metric)))].sort();
  const column = (name, type, values) => ({name, type, config: {}, values});
  const fields = [
    column('Time', FieldType.time, series.map(one => milliseconds(one.value[0]))),
    ...names.map(name => column(name, FieldType.string, series.map(one => one.metric[name] ?? ''))),
    column(targets === 1 ? 'Value' : `Value #${refId}`, FieldType.number, series.map(one => number(one.value[1]))),
  ];
  return {refId, fields, length: series.length};
}

/** Cumulative buckets as Prometheus has them, each less the one below it; lowest first, named by its upper bound. */
function buckets(refId, series, step) {
  const sorted = [...series].sort((a, b) => number(a.metric.le) - number(b.metric.le));
  const times = [...new Set(sorted.flatMap(one => one.values.map(([at]) => at)))].sort((a, b) => a - b);
  const courses = sorted.map(one => new Map(one.values.map(([at, text]) => [at, number(text)])));
  const fields = sorted.map((one, row) => ({
    name: one.metric.le,
    type: FieldType.number,
    config: {},
    labels: one.metric,
    values: times.map(at => Math.max(0, (courses[row].get(at) ?? 0) - (row === 0 ? 0 : (courses[row - 1].get(at) ?? 0)))),
  }));
  const time = {name: 'Time', type: FieldType.time, config: {interval: step}, values: times.map(milliseconds)};
  return {refId, fields: [time, ...fields], length: times.length};
}

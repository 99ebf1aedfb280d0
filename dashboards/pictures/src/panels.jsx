// Panels whose inside is a component of Grafana's library.

import {FieldType, getFieldDisplayValues} from '@grafana/data';
import {BigValue, TimeSeries} from '@grafana/ui';
import {TableNG} from '@grafana/ui/unstable';

import {configured} from './fields.js';

/** Lines, or lines on top of each other. What is no number, such as the quantile of nothing, is a gap. */
export function Lines({panel, frames, range, theme, width, height}) {
  const finite = field => ({...field, values: field.values.map(value => (Number.isFinite(value) ? value : null))});
  const data = configured(panel, frames.map(frame => ({...frame, fields: frame.fields.map(finite)})), theme);
  return <TimeSeries frames={data} timeRange={range} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options} />;
}

/** One large value with its course behind it; several share the panel's width. */
export function Stat({panel, frames, theme, width, height}) {
  const values = getFieldDisplayValues({
    data: configured(panel, frames, theme),
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: text => text,
    sparkline: panel.options.graphMode !== 'none',
    theme,
    timeZone: 'utc',
  });
  const share = width / values.length;
  const {colorMode, graphMode, textMode} = panel.options;
  return (
    <div style={{display: 'flex'}}>
      {values.map(({display, sparkline}, at) => (
        <BigValue key={at} value={display} sparkline={sparkline} count={values.length} {...{colorMode, graphMode, textMode, theme, height}} width={share} />
      ))}
    </div>
  );
}

/** A row for each series. */
export function Rows({panel, frames, theme, width, height}) {
  const [data] = configured(panel, frames, theme);
  const {showHeader, cellHeight, sortBy} = panel.options;
  const shown = {...data, fields: data.fields.filter(field => field.type !== FieldType.time)};
  return <TableNG data={shown} noHeader={!showHeader} cellHeight={cellHeight} sortBy={sortBy} fieldConfig={panel.fieldConfig} width={width} height={height} enableVirtualization={false} />;
}

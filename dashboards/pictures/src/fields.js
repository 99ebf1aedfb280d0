// `fieldConfig` of a panel, applied as Grafana applies it: units, thresholds, colours and overrides, by Grafana's own code. It
// applies only the options that a registry names; Grafana fills it from its panel plugins, this from what the dashboard has.

import {applyFieldOverrides, cacheFieldDisplayNames, FieldConfigOptionsRegistry, FieldConfigProperty, standardTransformers, standardTransformersRegistry, transformDataFrame} from '@grafana/data';
import {lastValueFrom} from 'rxjs';

const asWritten = {process: value => value, shouldApply: () => true, name: '', editor: () => null, override: () => null, settings: {}};

function registry({defaults, overrides}) {
  const custom = new Set(Object.keys(defaults.custom ?? {}));
  for (const {id} of overrides.flatMap(rule => rule.properties)) {
    if (id.startsWith('custom.')) custom.add(id.slice('custom.'.length));
  }
  return new FieldConfigOptionsRegistry(() => [
    ...Object.values(FieldConfigProperty).map(id => ({...asWritten, id, path: id})),
    ...[...custom].map(path => ({...asWritten, id: `custom.${path}`, path, isCustom: true})),
  ]);
}

/** Frames whose fields have the panel's options, and a `display` that formats their values. */
export function configured(panel, data, theme) {
  const out = applyFieldOverrides({
    data,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry(panel.fieldConfig),
    replaceVariables: text => text,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(out);
  return out;
}

// One of them is there by two names.
standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(standardTransformers))].map(one => ({id: one.id, name: one.name, transformation: async () => one, editor: () => null, imageDark: '', imageLight: ''})),
);

/** Frames after the panel's transformations. */
export function transformed(panel, data) {
  return lastValueFrom(transformDataFrame(panel.transformations ?? [], data, {interpolate: text => text}));
}

import { Application, ReflectionKind } from 'typedoc'

/** The entries of a package go by what one imports: its name, and what comes after it. */
function nameEntries(app) {
  app.on(Application.EVENT_PROJECT_REVIVE, ({ children: packages = [] }) => {
    for (const { name, children: entries = [] } of packages) {
      for (const entry of entries) {
        if (entry.kind === ReflectionKind.Module) entry.name = entry.name === '' ? name : `${name}/${entry.name}`
      }
    }
  })
}

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'API reference',
  plugin: ['typedoc-plugin-markdown', nameEntries],
  out: 'api',
  readme: 'none',
  // The entries of a package are those of its `exports`.
  entryPointStrategy: 'packages',
  entryPoints: ['../packages/*'],
  packageOptions: {
    readme: 'none',
    disableSources: true,
    validation: { notExported: false },
    // `tsc -b` checks the code, with TypeScript 7, which has no API for typedoc; the TypeScript 6 here only reads it.
    skipErrorChecking: true,
  },
  router: 'module',
  entryFileName: 'index',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
}

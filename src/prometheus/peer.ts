/**
 * Is @opentelemetry/api installed? Asked only when exemplars are wanted, so that loading us does not load it.
 */

/**
 * Its exports; undefined when it is not there, as in a bundle that has nothing beside it. Not `import()`: the caller must have its
 * error at once.
 * @throws what the package throws when it is loaded
 */
export function openTelemetry<Exports>(): Exports | undefined {
  const name = '@opentelemetry/api'
  let require: NodeJS.Require
  try {
    // A bundle may have no `import.meta.url`, and bundlers know `createRequire` when they see it imported.
    require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
    require.resolve(name)
  } catch {
    return undefined
  }
  return require(name)
}

/**
 * Is an optional peer installed? Asked only when an option needs it, so that loading us loads none.
 */
import { createRequire } from 'node:module'

/**
 * The exports of a package that a consumer need not have; undefined when it is not there. Not `import()`: the caller
 * must have its error at once.
 * @throws what the package throws when it is loaded
 */
export function installed<Exports>(name: 'prom-client' | '@opentelemetry/api'): Exports | undefined {
  const require = createRequire(import.meta.url)
  try {
    require.resolve(name)
  } catch {
    return undefined
  }
  return require(name)
}

/** What a bundle does not import, it does not carry: the kilobytes are in `budget.json`, what they are not is here. */
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** A bundle of these names of the main entry. */
async function bundled(names: string): Promise<string> {
  const entry = '\0bundle'
  const built = await build({
    configFile: false,
    logLevel: 'error',
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'bundle' ? entry : undefined),
        load: (id) => (id === entry ? `export { ${names} } from '${src}/index.ts'` : undefined),
      },
    ],
    build: {
      ssr: true,
      write: false,
      minify: false,
      rolldownOptions: { input: 'bundle', treeshake: { moduleSideEffects: false } },
    },
  })
  const { output } = built as { output: { code?: string }[] }
  return output.map(({ code }) => code ?? '').join('')
}

test('who imports QueuedExecutor alone carries no TaskQueue, and no policy but the default', async () => {
  const code = await bundled('QueuedExecutor')
  const declared = (name: string) => new RegExp(`(class|function|var|const|let) ${name}\\b`)
  expect(code).toMatch(declared('QueuedExecutor'))
  for (const name of ['TaskQueue', 'FairBy', 'tokenBucket', 'DeadLetters']) expect(code).not.toMatch(declared(name))
  expect(await bundled('TaskQueue')).toMatch(declared('TaskQueue'))
})

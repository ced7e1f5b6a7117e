import pack from 'webpack'
    import { basename, dirname } from 'node:path'
    const entry = './bundled.js'
    const output = { path: dirname("/tmp/triage-queue-bundles-RVM9q2/webpack/bundle.cjs"), filename: basename("/tmp/triage-queue-bundles-RVM9q2/webpack/bundle.cjs") }
    await new Promise((resolve, reject) => {
      pack({ mode: 'production', target: 'node', entry, output }, (error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()))
        else resolve()
      })
    })
import { rspack as pack } from '@rspack/core'
    import { basename, dirname } from 'node:path'
    const entry = './bundled.js'
    const output = { path: dirname("/tmp/triage-queue-bundles-RVM9q2/rspack/bundle.cjs"), filename: basename("/tmp/triage-queue-bundles-RVM9q2/rspack/bundle.cjs") }
    await new Promise((resolve, reject) => {
      pack({ mode: 'production', target: 'node', entry, output }, (error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()))
        else resolve()
      })
    })
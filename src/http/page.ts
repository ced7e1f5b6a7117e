/**
 * What is at `/`? A fixed table of files: no path of a request ever names one on a disk.
 */
import type { Asset } from './service.ts'

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>triage-queue</title>
<h1>triage-queue</h1>
<p>The service runs. <a href="openapi.json">openapi.json</a> describes its routes.</p>
</html>
`

export const assets: ReadonlyMap<string, Asset> = new Map([['/', { type: 'text/html; charset=utf-8', body: page }]])

/**
 * What is at `/`? The dashboard: one page, its script and its style sheet, by a fixed table. No path of a request ever names a file on
 * a disk.
 */
import { type PageFiles, pageFiles } from './page-source.ts'
import type { Asset } from './service.ts'

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 3h14' stroke='%236d1174' stroke-width='2.4'/%3E%3Cpath d='M1 6.4h11' stroke='%23b26300' stroke-width='2.4'/%3E%3Cpath d='M1 9.8h8' stroke='%231f5fae' stroke-width='2.4'/%3E%3Cpath d='M1 13.2h5' stroke='%2334a389' stroke-width='2.4'/%3E%3C/svg%3E"

function pageAt(basePath: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>triage-queue</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="${basePath}/dashboard.css">
<script type="module" src="${basePath}/dashboard.js"></script>
<div id="page"><noscript>This page needs JavaScript. GET ${basePath}/v1/queues says the same as JSON.</noscript></div>
</html>
`
}

/** So that it is made once, however many services there are. */
let files: Promise<PageFiles> | undefined

/** What is at this path; undefined: nothing. A `basePath` is made of letters, digits and `/.~_-`. */
export async function assetAt(path: string, basePath: string): Promise<Asset | undefined> {
  if (path === '/') return { type: 'text/html; charset=utf-8', body: pageAt(basePath) }
  files ??= pageFiles()
  const { js, css } = await files
  if (path === '/dashboard.js') return { type: 'text/javascript; charset=utf-8', body: js }
  if (path === '/dashboard.css') return { type: 'text/css; charset=utf-8', body: css }
  return undefined
}

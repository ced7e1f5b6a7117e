/**
 * The words that pictures are written in: lines, texts, numbers of a tenth of a pixel. As strings of SVG.
 */
import type { Point } from './sampling.ts'

export const WIDTH = 860
export const MARGIN = 24
/** Where the first panel begins. */
export const LEFT = 68
export const INK = '#1f2328'
export const FAINT = '#59636e'
export const GRID = '#d8dee4'

export function line([x1, y1]: Point, [x2, y2]: Point, colour: string, more = ''): string {
  return `<path d="M${tenth(x1)} ${tenth(y1)}L${tenth(x2)} ${tenth(y2)}" stroke="${colour}"${more && ` ${more}`}/>`
}

export function text(x: number, y: number, content: string, more: string): string {
  return `<text x="${tenth(x)}" y="${tenth(y)}" ${more}>${escaped(content)}</text>`
}

export function turned(x: number, y: number): string {
  return `transform="rotate(-90 ${tenth(x)} ${tenth(y)})"`
}

export function wrapped(sentences: string, letters: number): string[] {
  const lines: string[] = ['']
  for (const word of sentences.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trim()
    if (line.length <= letters) lines[lines.length - 1] = line
    else lines.push(word)
  }
  return lines
}

export function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

export function tenth(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/**
 * A table for a terminal: the first column to the left, the others to the right, and where it is narrow only those that matter most.
 */

/**
 * @param rows the first is the head
 * @param dropped which columns may be left out where there is no room, the first one first
 */
export function tableLines(
  rows: readonly (readonly string[])[],
  columns: number,
  dropped: readonly number[] = [],
): string[] {
  const [head = []] = rows
  let kept = head.map((_, i) => i)
  const widthOf = (i: number): number => rows.reduce((most, row) => Math.max(most, (row[i] ?? '').length), 0)
  const whole = (): number => kept.reduce((sum, i) => sum + widthOf(i) + 2, -2)
  for (const column of dropped) {
    if (whole() <= columns) break
    kept = kept.filter((i) => i !== column)
  }
  return rows.map((row) => {
    const cells = kept.map((i, place) =>
      place === 0 ? (row[i] ?? '').padEnd(widthOf(i)) : (row[i] ?? '').padStart(widthOf(i)),
    )
    return cut(cells.join('  ').trimEnd(), columns)
  })
}

export function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const [head = [], ...rest] = rows
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rest.map(line)]
}

function cut(text: string, columns: number): string {
  const chars = [...text]
  return chars.length <= columns ? text : `${chars.slice(0, Math.max(columns - 1, 0)).join('')}…`
}

/** In lines that are not wider than the terminal, between words. */
export function wrapped(text: string, columns: number, indent = ''): string[] {
  if (!Number.isFinite(columns)) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = indent + word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map((each) => cut(each, columns))
}

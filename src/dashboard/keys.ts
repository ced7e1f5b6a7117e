/** Single keys: where one goes, never what changes. They can be switched off. */
import { asked, open } from './dialogs.tsx'
import { findText, goTo, keysAre, lastTab, place, tabs } from './state.ts'

export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event
    if (asked.value !== undefined || ctrlKey || metaKey || altKey) return
    const isTyping = target instanceof HTMLInputElement && target.type !== 'checkbox'
    if (key === 'Escape') {
      goBack(isTyping ? (target as HTMLInputElement) : undefined)
      return
    }
    if (isTyping || target instanceof HTMLSelectElement || keysAre.signal.value === 'off') return
    if (pressed(key)) event.preventDefault()
  })
}

function goBack(input: HTMLInputElement | undefined): void {
  const here = place.value
  if (input !== undefined) {
    findText.value = ''
    input.blur()
  } else if (document.activeElement instanceof HTMLTableRowElement) document.activeElement.blur()
  else if (here.at === 'request' || here.at === 'settings') goTo({ at: 'queue', queue: here.queue, tab: lastTab.value })
}

/** @returns whether it meant something */
function pressed(key: string): boolean {
  const here = place.value
  switch (key) {
    case '/':
      document.getElementById('find')?.focus()
      return document.getElementById('find') !== null
    case '?':
      open({ kind: 'keys' })
      return true
    case 'j':
    case 'k':
      return step(key === 'j' ? 1 : -1)
    case 'x': {
      const row = document.activeElement
      const box =
        row instanceof HTMLTableRowElement ? row.querySelector<HTMLInputElement>('input[type=checkbox]') : null
      box?.click()
      return box !== null
    }
    case '[':
    case ']':
      document.getElementById(key === '[' ? 'newer' : 'older')?.click()
      return true
  }
  const tab = tabs[Number(key) - 1]
  if (tab === undefined || here.at === 'all') return false
  goTo({ at: 'queue', queue: here.queue, tab })
  return true
}

function step(by: number): boolean {
  const rows = [...document.querySelectorAll<HTMLTableRowElement>('table.list tbody tr')]
  const at = rows.findIndex((row) => row.contains(document.activeElement))
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)]
  next?.focus()
  return next !== undefined
}

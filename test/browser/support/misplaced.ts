/**
 * What stands where it should not? Asked of the page itself: text that overlaps other text or a control, that leaves the panel it is
 * in, or that is cut without an ellipsis; labels of charts that leave their canvas or overlap; a page that scrolls sideways.
 *
 * As text, since this is checked without the types of a browser.
 */

/** Before the page's own scripts: notes where each chart has written something since it was last wiped. */
export const noteLabels = `(() => {
  const { fillText, clearRect } = CanvasRenderingContext2D.prototype
  window.labelsOf = new Map()
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    labelsOf.set(this.canvas, [])
    return clearRect.apply(this, box)
  }
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
    const { width } = this.measureText(text)
    const from = this.getTransform().transformPoint({ x, y })
    const left = this.textAlign === 'center' ? from.x - width / 2 : this.textAlign === 'right' || this.textAlign === 'end' ? from.x - width : from.x
    if (text !== '') (labelsOf.get(this.canvas) ?? []).push({ text, left, right: left + width, y: from.y + (this.textBaseline === 'top' ? 6 * devicePixelRatio : 0) })
    return fillText.call(this, text, x, y, ...more)
  }
})()`

export const misplaced = `(() => {
  const SLACK = 1.5
  const found = []
  const say = (what, node, more = '') => {
    const owner = node.nodeType === 3 ? node.parentElement : node
    const path = []
    for (let at = owner; at !== null && path.length < 3; at = at.parentElement) path.unshift(at.localName + (at.className?.trim?.() ? '.' + at.className.trim().replace(/\\s+/g, '.') : ''))
    found.push(what + ': ' + path.join(' > ') + ' ' + JSON.stringify((node.textContent || node.value || node.getAttribute?.('aria-label') || '').slice(0, 40)) + more)
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page is ' + document.documentElement.scrollWidth + ' px wide')
  const modal = document.querySelector('dialog[open]')
  const root = modal ?? document.body
  const within = (inner, outer) => inner.left >= outer.left - SLACK && inner.right <= outer.right + SLACK && inner.top >= outer.top - SLACK && inner.bottom <= outer.bottom + SLACK
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > SLACK && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3
  const boxOf = ({ left, right, top, bottom }) => ({ left, right, top, bottom })
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.closest('.hidden, .skip, option, script, style, title, noscript') === null
  // What is left of a box, after all that cuts it; and whether something cuts it silently.
  const seen = (box, element, node) => {
    const left = boxOf(box)
    for (let at = element; at !== null && at !== root.parentElement; at = at.parentElement) {
      const style = getComputedStyle(at)
      if (style.display === 'inline' || style.display === 'contents') continue
      if (style.overflowX === 'visible' && style.overflowY === 'visible') continue
      const edge = at.getBoundingClientRect()
      const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY)
      if (!within(left, edge) && !scrolls && !(style.textOverflow === 'ellipsis' && left.top >= edge.top - 3 && left.bottom <= edge.bottom + 3)) say('cut', node)
      left.left = Math.max(left.left, edge.left); left.right = Math.min(left.right, edge.right)
      left.top = Math.max(left.top, edge.top); left.bottom = Math.min(left.bottom, edge.bottom)
    }
    return left
  }
  // What is in a panel keeps its distance from its edge.
  const roomOf = (home) => {
    const { left, right, top, bottom } = home.getBoundingClientRect()
    const style = getComputedStyle(home)
    return { left: left + parseFloat(style.paddingLeft), right: right - parseFloat(style.paddingRight), top, bottom }
  }
  const things = []
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    if (!/\\S/.test(node.data) || !isShown(element)) continue
    const range = document.createRange()
    range.selectNodeContents(node)
    for (const rect of range.getClientRects()) {
      if (rect.width < 1) continue
      const box = seen(rect, element, node)
      if (box.right - box.left < 1 || box.bottom - box.top < 1) continue
      const home = element.closest('dialog, .panel, .head, .verdict, .page-foot, .subject, .refusal, .crumbs, .door')
      if (home !== null && !within(box, roomOf(home))) say('outside of its panel', node)
      things.push({ node, element, box, isControl: false })
    }
  }
  for (const element of root.querySelectorAll('button, input, select, summary, fieldset.slots, fieldset.choice, .find')) {
    if (!isShown(element)) continue
    const rect = element.getBoundingClientRect()
    if (rect.width === 0) continue
    const home = element.parentElement.closest('dialog, .panel, .head, .verdict, .page-foot, .subject, .door')
    if (home !== null && !within(seen(rect, element.parentElement, element), roomOf(home))) say('outside of its panel', element)
    // What a list or a field shows of itself is drawn by the browser, with an ellipsis.
    things.push({ node: element, element, box: boxOf(rect), isControl: true })
  }
  things.sort((a, b) => a.box.top - b.box.top)
  for (let one = 0; one < things.length; one++) {
    const a = things[one]
    for (let two = one + 1; two < things.length && things[two].box.top < a.box.bottom - 3; two++) {
      const b = things[two]
      if (a.node === b.node || !meet(a.box, b.box)) continue
      if ((a.isControl && a.element.contains(b.element)) || (b.isControl && b.element.contains(a.element))) continue
      say('overlap', a.node, ' and ' + JSON.stringify((b.node.textContent || '').slice(0, 40)))
    }
  }
  for (const [canvas, labels] of labelsOf) {
    if (!canvas.isConnected || modal !== null) continue
    for (const [at, { text, left, right, y }] of labels.entries()) {
      if (left < -SLACK || right > canvas.width + SLACK) found.push('label of a chart cut: ' + text)
      for (const other of labels.slice(at + 1)) {
        if (Math.min(right, other.right) - Math.max(left, other.left) > SLACK && Math.abs(y - other.y) < 9 * devicePixelRatio) found.push('labels of a chart overlap: ' + text + ' and ' + other.text)
      }
    }
  }
  return [...new Set(found)].slice(0, 12)
})()`

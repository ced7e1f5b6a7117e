/**
 * Which files are there, and may they be opened? All that is done through `fs`, before SQLite has any of them open.
 *
 *     requests.db          the store          requests.db-wal     what was committed and is not in it yet
 *     requests.db.lock     who has it         requests.db.owner   the same as text, for a message
 *     requests.db.mark     the witness: how much was committed
 *
 * As soon as SQLite has a file open, `fs` must not open it: when any descriptor of a file is closed, a process loses all its
 * POSIX locks on it. The `.lock` file is never opened through `fs` at all, but when it is made.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { corrupt, Fault, faultOf, unavailable } from './fault.ts'
import { readMark } from './witness.ts'

export interface Files {
  readonly main: string
  readonly wal: string
  readonly lock: string
  readonly owner: string
  readonly mark: string
}

/** The one name of a file, whatever links lead to it, also of one that is still to be made. @throws {Fault} */
export function filesOf(path: string): Files {
  let main: string
  try {
    main = realName(resolve(path))
  } catch (error) {
    throw faultOf(error)
  }
  return { main, wal: `${main}-wal`, lock: `${main}.lock`, owner: `${main}.owner`, mark: `${main}.mark` }
}

function realName(path: string, links = 0): string {
  const name = join(realpathSync(dirname(path)), basename(path))
  const isLink = lstatSync(name, { throwIfNoEntry: false })?.isSymbolicLink() === true
  if (!isLink) return name
  if (links > 40) throw unavailable('its name is a link to itself')
  return realName(resolve(dirname(name), readlinkSync(name)), links + 1)
}

/** File systems of other machines, by their number: their locks can't be relied on. @see man 2 statfs */
const REMOTE = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
])

/** @throws {Fault} */
export function requireLocal(files: Files): void {
  let type: number
  try {
    type = statfsSync(dirname(files.main)).type
  } catch (error) {
    throw faultOf(error)
  }
  const remote = process.platform === 'linux' ? REMOTE.get(type >>> 0) : undefined
  if (remote === undefined) return
  const option = { path: 'path', received: files.main }
  throw new Fault({
    kind: 'options',
    why: `on a local file system (this one is ${remote}, whose locks can't be relied on)`,
    option,
  })
}

/** Makes a file that only its owner may read: SQLite would make one for all. One that exists is not opened. */
export function make(path: string): void {
  let file: number
  try {
    file = openSync(path, 'ax', 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return
    throw faultOf(error)
  }
  closeSync(file)
  syncFolder(path)
}

/** Its name must be there after a power cut, too. */
function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } catch (error) {
    // Under `--permission` Node syncs nothing; SQLite syncs the folder when it makes the `-wal` file.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw faultOf(error)
  } finally {
    closeSync(folder)
  }
}

const MAGIC = 'SQLite format 3\0'
const HEAD_BYTES = 100

/**
 * Is it there, and does it begin as it should? An empty file beside what says that it had something in it is damaged: SQLite would
 * throw the rest away, and start anew.
 * @returns true when there is nothing yet, so that a store may be made
 * @throws {Fault}
 */
export function isNew(files: Files): boolean {
  const size = sizeOf(files.main)
  if (size !== undefined && size > 0) {
    if (headOf(files.main).toString('latin1', 0, MAGIC.length) !== MAGIC) throw corrupt('it is no SQLite database')
    return false
  }
  const what = size === 0 ? 'it is empty' : 'it is gone'
  if ((sizeOf(files.wal) ?? 0) > 0)
    throw corrupt(`${what}, but ${files.wal} is not: restore a backup, or remove both to start anew`)
  const mark = readMark(files.mark)
  if (typeof mark === 'object' && mark.commits > 0) {
    throw corrupt(`${what}, but had ${mark.commits} commits: restore a backup, or remove ${files.mark} to start anew`)
  }
  return true
}

/** Undefined: there is none. */
export function sizeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size
  } catch (error) {
    throw faultOf(error)
  }
}

/** Is it shorter than it says, or does it end in the middle of a page? @see https://www.sqlite.org/fileformat2.html#the_database_header */
export function isCut(files: Files): boolean {
  const head = headOf(files.main)
  // 1 stands for 65,536, which does not fit in there.
  const given = head.readUInt16BE(16)
  const pageBytes = given === 1 ? 65_536 : Math.max(given, 512)
  const size = sizeOf(files.main) ?? 0
  return size % pageBytes !== 0 || size < head.readUInt32BE(28) * pageBytes
}

function headOf(path: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  try {
    const file = openSync(path, 'r')
    try {
      readSync(file, head, 0, head.length, 0)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw faultOf(error)
  }
  return head
}

/** What is left of a `-shm` file is no use, and a damaged one ends the process that maps it. */
export function removeShared(files: Files): void {
  const shared = `${files.main}-shm`
  if (existsSync(shared)) rmSync(shared, { force: true })
}

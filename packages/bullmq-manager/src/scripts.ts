import { LuaScript } from './lua-script.ts'

// What the store asks of Redis in one piece.

/**
 * Changes the fields of a worker and raises the version that tells the other instances. Gives 0, and changes nothing,
 * when the field that must be there is not (unless the same call has just deleted it).
 *
 * KEYS workers · ARGV step of the version, required field or '', how many values to set, field, value, …, fields to delete …
 */
export const changeWorker = new LuaScript(`
local sets = tonumber(ARGV[3])
if ARGV[2] ~= '' and redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
  return sets > 0 and redis.call('HGET', KEYS[1], ARGV[4]) == ARGV[5] and 1 or 0
end
for i = 4, 3 + sets * 2, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = 4 + sets * 2, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('HINCRBY', KEYS[1], 'version', ARGV[1])
return 1
`)

/**
 * Changes fields of workers and raises the version. Gives 0, and changes nothing, when the write lock is no longer the caller's: what
 * it has read to work them out may have changed since. (Sent again so late that the lock has run out, it gives 0 though it has written:
 * the caller looks again, finds that in place, and has announced nothing.)
 *
 * KEYS workers, write lock
 * ARGV token of the lock, the version that data begins with, step of the version, how many of what follows are to be set, field,
 *   value, …, fields to delete …
 */
export const changeLocked = new LuaScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
-- Lua can not unpack 8,000 at once.
local function change(command, from, to)
  for i = from, to, 1000 do redis.call(command, KEYS[1], unpack(ARGV, i, math.min(i + 999, to))) end
end
change('HSET', 5, 4 + ARGV[4])
change('HDEL', 5 + ARGV[4], #ARGV)
redis.call('HSETNX', KEYS[1], 'version', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'version', ARGV[3])
return 1
`)

/**
 * Deletes a worker with its records, unless the write lock is no longer the caller's: then it gives 0.
 *
 * KEYS workers, write lock, records, order of runs, order of non-runs · ARGV token of the lock, step of the version, its fields …
 */
export const deleteWorker = new LuaScript(`
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], unpack(ARGV, 3))
redis.call('DEL', KEYS[3], KEYS[4], KEYS[5])
redis.call('HINCRBY', KEYS[1], 'version', ARGV[2])
return 1
`)

// What follows reads a mark as it is read everywhere: what is no number, or too long to be one, is no mark.
const READ_MARK = `
local function read_mark(text)
  return text and #text <= 15 and tonumber(string.match(text, '^%d+$') or '') or nil
end
`

// A release may have 16 digits, up to 2^53: so far Lua's numbers are exact too.
const READ_RELEASE = `
local function read_release(mark)
  local digits = string.match(mark, '^release (%d+)$')
  return digits and #digits <= 16 and tonumber(digits) or nil
end
`

// A run whose tick was late may come when a later slot has counted its slot as missed. (What counts slots that are ahead of those
// that are decided is left over from before a clock was set back.)
const IS_COUNTED = `
local function is_counted(text, slot, decided)
  local after, before = string.match(text or '', '^(%d+) (%d+)$')
  after, before = read_mark(after), read_mark(before)
  return after and before and after < slot and slot < before and before <= (decided or 0)
end
`

// How a mark was raised to a slot, and from where: up to there slots were decided before the tick of this one.
const RAISED = `
local function raised(slot, decided)
  return slot .. ' ' .. string.format('%d', decided or 0)
end
local function raised_from(text, slot)
  local to, from = string.match(text or '', '^(%d+) (%d+)$')
  if read_mark(to) == slot then return read_mark(from) end
end
`

/**
 * Raises the marks up to which slots are decided; they never go back. Keeps from where they were raised.
 *
 * KEYS workers · ARGV worker, slot, record of the slot that waits for its jitter (unless it has started meanwhile) or '', worker, …
 */
export const raiseDecided = new LuaScript(`${READ_MARK}${RAISED}
for i = 1, #ARGV, 3 do
  local worker, slot, waiting = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local marks = redis.call('HMGET', KEYS[1], 'decided:' .. worker, 'started:' .. worker, 'removed:' .. worker)
  local decided = read_mark(marks[1])
  if (decided or -1) < tonumber(slot) and not marks[3] then
    redis.call('HSET', KEYS[1], 'decided:' .. worker, slot, 'raised:' .. worker, raised(slot, decided))
    if waiting ~= '' and (read_mark(marks[2]) or -1) < tonumber(slot) then
      redis.call('HSET', KEYS[1], 'waiting:' .. worker, waiting)
    end
  end
end
return 1
`)

// What follows writes a record into its hash and its order, and drops the oldest. One that is written again keeps its place. One that
// would be dropped itself, since the clock of the others was ahead, comes after them.
const KEEP_RECORD = `
local function keep_order(records, order, field, at, most)
  local function oldest_with(score)
    redis.call('ZADD', order, score, field)
    return redis.call('ZRANGE', order, 0, -most - 1)
  end
  local oldest = oldest_with(at)
  if #oldest == 0 then return end
  for _, old in ipairs(oldest) do
    if old == field then
      oldest = oldest_with(redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')[2] + 1)
      break
    end
  end
  for _, old in ipairs(oldest) do redis.call('HDEL', records, old) end
  redis.call('ZREMRANGEBYRANK', order, 0, -most - 1)
end
local function keep_record(records, order, field, json, at, most)
  if redis.call('HSET', records, field, json) == 1 then keep_order(records, order, field, at, most) end
end
local function recent(before, letter)
  return string.sub((before or '') .. letter, -60)
end
`

/**
 * Decides that a run starts: writes its record, if nobody has decided it and no later slot has started or counts it, and raises the
 * mark up to which slots are decided. Gives to the one that may call doWork when a run of its worker last succeeded ('' for never), in
 * an array, 0 to others, and -1 when its count of missed slots is wrong, since another slot before it was decided meanwhile, or when
 * what it was planned by no longer holds. The same run may be decided again to recover it (ARGV[8]).
 *
 * KEYS workers, records, order of runs
 * ARGV worker, run id, slot or '', record, at, most, token, '1' to recover, start mark or '', ms that a start mark without release
 *   holds or '', up to where slots were decided before it, by which it has counted, or '', the version of what is declared by
 *   which it was planned or '', the latest slot that had started then or '', and what was active then or ''
 */
export const decideRun = new LuaScript(`${READ_MARK}${READ_RELEASE}${RAISED}${IS_COUNTED}${KEEP_RECORD}
local worker, run, slot = ARGV[1], ARGV[2], tonumber(ARGV[3])
local active = ARGV[7] .. '\\nrunning\\n' .. ARGV[4]
local marks = redis.call(
  'HMGET', KEYS[1], 'started:' .. worker, 'active:' .. worker, 'decided:' .. worker, 'success:' .. worker, 'version',
  'waiting:' .. worker
)
local decided = read_mark(marks[3])
local started = { string.match(marks[4] or '', '"finishedAt":"([^"]+)"') or '' }
if marks[2] == active then return started end
if ARGV[12] ~= '' then
  if (marks[5] or '0') ~= ARGV[12] or read_mark(marks[1]) ~= tonumber(ARGV[13]) then return -1 end
  -- A run on another queue, which deduplication does not see.
  if marks[2] and marks[2] ~= ARGV[14] then return -1 end
end
if ARGV[8] ~= '1' then
  if slot and slot <= (read_mark(marks[1]) or 0) then return 0 end
  local decided_before = decided
  if slot and (decided or 0) >= slot then
    local later = redis.call('HMGET', KEYS[1], 'counted:' .. worker, 'raised:' .. worker)
    if is_counted(later[1], slot, decided) then return 0 end
    decided_before = raised_from(later[2], slot)
  end
  if ARGV[11] ~= '' and decided_before ~= tonumber(ARGV[11]) then return -1 end
  local before = ARGV[9] ~= '' and redis.call('HGET', KEYS[1], 'start:' .. worker)
  if before then
    if ARGV[10] == '' then
      -- Releases grow: for a lower one it is too late.
      local ran, asked = read_release(before), read_release(ARGV[9])
      if before == ARGV[9] or (ran and asked and ran > asked) then return 0 end
    else
      local at = tonumber(string.match(before, '^at (%d+)$'))
      local now = tonumber(string.match(ARGV[9], '^at (%d+)$'))
      -- One from the future was written before the clock was set back.
      if at and math.abs(now - at) < tonumber(ARGV[10]) then return 0 end
    end
  end
  if redis.call('HSETNX', KEYS[2], run, ARGV[4]) == 0 then return 0 end
  keep_order(KEYS[2], KEYS[3], run, ARGV[5], tonumber(ARGV[6]))
else
  keep_record(KEYS[2], KEYS[3], run, ARGV[4], ARGV[5], tonumber(ARGV[6]))
end
local fields = { 'active:' .. worker, active }
local function set(field, value) fields[#fields + 1] = field .. ':' .. worker; fields[#fields + 1] = value end
if slot then
  set('started', ARGV[3])
  if (decided or -1) < slot then set('decided', ARGV[3]); set('raised', raised(ARGV[3], decided)) end
end
if ARGV[9] ~= '' then set('start', ARGV[9]) end
redis.call('HSET', KEYS[1], unpack(fields))
if marks[6] then redis.call('HDEL', KEYS[1], 'waiting:' .. worker) end
return started
`)

/**
 * Takes back what `decideRun` has written for a run that has not called doWork. Gives 0, and changes nothing, when the run is
 * no longer the caller's, when its slot is no longer the latest that has started, or when the record by which it is recovered
 * has been dropped.
 *
 * KEYS workers, records, order of runs
 * ARGV worker, run id, token, slot or '', the slot that had started before it or '', start mark or '', the mark before it or '',
 *   field of the first start of a run that is recovered or ''
 */
export const undecideRun = new LuaScript(`
local worker, run, slot, mark, running = ARGV[1], ARGV[2], ARGV[4], ARGV[6], ARGV[3] .. '\\nrunning\\n'
local marks = redis.call('HMGET', KEYS[1], 'active:' .. worker, 'started:' .. worker, 'start:' .. worker)
-- This call may have taken it back before its answer was lost.
if not marks[1] and redis.call('HEXISTS', KEYS[2], run) == 0 then return 1 end
if string.sub(marks[1] or '', 1, #running) ~= running then return 0 end
if slot ~= '' and marks[2] ~= slot then return 0 end
if ARGV[8] ~= '' and redis.call('HEXISTS', KEYS[2], ARGV[8]) == 0 then return 0 end
local sets, deletes = {}, { 'active:' .. worker }
local function set_back(field, value)
  if value == '' then deletes[#deletes + 1] = field
  else sets[#sets + 1] = field; sets[#sets + 1] = value end
end
if slot ~= '' then set_back('started:' .. worker, ARGV[5]) end
if mark ~= '' and marks[3] == mark then set_back('start:' .. worker, ARGV[7]) end
-- A full Redis refuses to set, and deletes: so this comes first.
if #sets > 0 then redis.call('HSET', KEYS[1], unpack(sets)) end
redis.call('HDEL', KEYS[1], unpack(deletes))
redis.call('HDEL', KEYS[2], run)
redis.call('ZREM', KEYS[3], run)
return 1
`)

/**
 * Decides that a slot does not run. Gives 0 when it was decided before, and to a tick also when a later one counts it as missed;
 * -1 to a tick when an earlier slot was decided since it read the mark, so that its count of missed slots is wrong.
 *
 * A run that is cancelled before it starts is decided here too, and is the worker's last run then.
 *
 * KEYS workers, records, order of non-runs, or of runs for one that is cancelled
 * ARGV worker, run id, slot or '', record, at, most, letter, '' or for a tick the mark that it read ('none'), which slots it
 *   counts as missed or ''
 */
export const decideNonRun = new LuaScript(`${READ_MARK}${IS_COUNTED}${KEEP_RECORD}
local worker, run, slot = ARGV[1], ARGV[2], tonumber(ARGV[3])
local record = redis.call('HGET', KEYS[2], run)
if record == ARGV[4] then return 1 end
local marks = redis.call(
  'HMGET', KEYS[1], 'started:' .. worker, 'decided:' .. worker, 'recent:' .. worker, 'counted:' .. worker
)
local isNew = not record and not (slot and slot <= (read_mark(marks[1]) or 0))
local fields = {}
local decided = read_mark(marks[2])
if slot and (decided or 0) < slot then
  if ARGV[8] ~= '' and decided ~= tonumber(ARGV[8]) then return -1 end
  fields = { 'decided:' .. worker, ARGV[3] }
elseif ARGV[8] ~= '' or (slot and is_counted(marks[4], slot, decided)) then
  isNew = false
end
if isNew and ARGV[9] ~= '' then
  fields[#fields + 1] = 'counted:' .. worker
  fields[#fields + 1] = ARGV[9]
end
if isNew then
  keep_record(KEYS[2], KEYS[3], run, ARGV[4], ARGV[5], tonumber(ARGV[6]))
  fields[#fields + 1] = 'recent:' .. worker
  fields[#fields + 1] = recent(marks[3], ARGV[7])
  if ARGV[7] == 'a' then fields[#fields + 1] = 'last:' .. worker; fields[#fields + 1] = ARGV[4] end
end
if #fields > 0 then redis.call('HSET', KEYS[1], unpack(fields)) end
return isNew and 1 or 0
`)

/**
 * Completes the record of an active run, and the worker's last-run fields, if the run is still the caller's. Gives how many
 * runs in a row have failed, or -1 when it is not.
 *
 * KEYS workers, records, order of runs
 * ARGV worker, field of the record, token, record, at, most, letter, '1' when the worker may run again, run id
 */
export const finishRun = new LuaScript(`${READ_MARK}${KEEP_RECORD}
local worker, run, field = ARGV[1], ARGV[9], ARGV[2]
local before = redis.call(
  'HMGET', KEYS[1], 'active:' .. worker, 'failures:' .. worker, 'recent:' .. worker, 'started:' .. worker
)
local active, failures = before[1], tonumber(before[2] or '') or 0
if not active or string.sub(active, 1, #ARGV[3] + 9) ~= ARGV[3] .. '\\nrunning\\n' then
  return redis.call('HGET', KEYS[1], 'last:' .. worker) == ARGV[4] and failures or -1
end
-- Its record has another name since a clock was set back, as its slot comes again.
local written, slot = run, tonumber(string.match(run, '%.(%d+)$'))
if slot and slot > (read_mark(before[4]) or slot) then
  for _, other in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    if redis.call('HGET', KEYS[2], other) == string.sub(active, #ARGV[3] + 10) then written = other end
  end
end
if field == run then field = written end
if field ~= written then
  redis.call('HDEL', KEYS[2], written)
  redis.call('ZREM', KEYS[3], written)
end
keep_record(KEYS[2], KEYS[3], field, ARGV[4], ARGV[5], tonumber(ARGV[6]))
local fields = { 'last:' .. worker, ARGV[4], 'recent:' .. worker, recent(before[3], ARGV[7]) }
local function set(field, value) fields[#fields + 1] = field .. ':' .. worker; fields[#fields + 1] = value end
if ARGV[7] == 's' then
  set('success', ARGV[4])
  if before[2] and before[2] ~= '0' then set('failures', 0) end
  failures = 0
elseif ARGV[7] == 'f' or ARGV[7] == 'l' then
  failures = failures + 1
  set('failure', ARGV[4]); set('failures', failures)
end
if ARGV[8] ~= '1' then set('active', ARGV[3] .. '\\nfinished\\n' .. ARGV[4]) end
redis.call('HSET', KEYS[1], unpack(fields))
if ARGV[8] == '1' then redis.call('HDEL', KEYS[1], 'active:' .. worker) end
return failures
`)

/** The worker may run again. KEYS workers · ARGV worker, token */
export const settleRun = new LuaScript(`
local active = redis.call('HGET', KEYS[1], 'active:' .. ARGV[1])
if active and string.sub(active, 1, #ARGV[2] + 1) == ARGV[2] .. '\\n' then
  redis.call('HDEL', KEYS[1], 'active:' .. ARGV[1], 'stuck:' .. ARGV[1])
end
return 1
`)

/**
 * Goes on from now after a clock was set back. Records of slots that are ahead get other names: their slots come again. Gives 0, and
 * changes nothing, when the write lock is no longer the caller's.
 *
 * KEYS workers, write lock, records, order of runs, order of non-runs · ARGV token of the lock, worker, now
 */
export const setMarksBack = new LuaScript(`${READ_MARK}
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local worker, now = ARGV[2], ARGV[3]
redis.call('HSET', KEYS[1], 'decided:' .. worker, now)
-- One that is not ahead stays: a slot after it may be waiting.
if (read_mark(redis.call('HGET', KEYS[1], 'started:' .. worker)) or 0) > tonumber(now) then
  redis.call('HSET', KEYS[1], 'started:' .. worker, now)
end
for i = 4, 5 do
  for _, field in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
    local slot = tonumber(string.match(field, '%.(%d+)$'))
    if slot and slot > tonumber(now) then
      local renamed = field .. '~' .. now
      redis.call('HSET', KEYS[3], renamed, redis.call('HGET', KEYS[3], field))
      redis.call('HDEL', KEYS[3], field)
      redis.call('ZADD', KEYS[i], redis.call('ZSCORE', KEYS[i], field), renamed)
      redis.call('ZREM', KEYS[i], field)
    end
  end
end
return 1
`)

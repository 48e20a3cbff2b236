import { findProgram, installProgram, isProgram } from 'system-program'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const PACKAGES = { 'apt-get': ['chromium'], apk: ['chromium'], dnf: ['chromium'] }

const HOW_TO_GET_CHROMIUM = [
  'Do one of these:',
  '- install Chromium, so that it is on the PATH:',
  '    Debian           sudo apt-get install chromium',
  '    Ubuntu           sudo snap install chromium',
  '    Alpine           sudo apk add chromium',
  '    Fedora, RHEL     sudo dnf install chromium',
  '- set CHROMIUM_PATH to the program of a Chromium or Chrome that is somewhere else.',
].join('\n')

/**
 * Finds a Chromium: `CHROMIUM_PATH`, one on the path, one that it installs; in this order.
 * @throws an error that says what to install when there is none
 */
export async function provideChromium(): Promise<string> {
  const given = process.env.CHROMIUM_PATH
  if (given) {
    if (isProgram(given)) return given
    throw new Error(`CHROMIUM_PATH is ${given}, where no program is. Correct it, or unset it.`)
  }
  const found = findProgram(NAMES)
  if (found) return found
  const installed = await installProgram(PACKAGES, () => findProgram(NAMES))
  if ('path' in installed) return installed.path
  throw new Error(
    [
      'The tests of the dashboard need Chromium, and there is none.',
      '- CHROMIUM_PATH: not set',
      `- PATH: has none of ${NAMES.join(', ')}`,
      `- installing it: ${installed.reason}`,
      HOW_TO_GET_CHROMIUM,
    ].join('\n'),
  )
}

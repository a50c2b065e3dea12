import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { ExitCode } from '../error.ts';
import { addonCandidates, type NativeInfo, native } from '../native.ts';
import { table } from '../report/tables.ts';
import { precisionFor } from '../trainer/digest.ts';
import { type CommonOptions, print, type Verb } from './verb.ts';

export const doctor: Verb<CommonOptions> = {
  command: 'doctor',
  describe: 'Show what this machine has and what to fix',
  builder: (argv) => argv,
  handler: async ({ json }) => {
    const { findLibtorch, libtorchVersion } = await setupModule('libtorch');
    const { missingPackages } = await setupModule('system');
    const fixes: string[] = [];
    let info: NativeInfo | null = null;
    try {
      info = native().info();
    } catch (error) {
      fixes.push((error as Error).message);
    }
    let libtorch: { folder: string; source: string } | null = null;
    try {
      libtorch = findLibtorch();
      if (!libtorch)
        fixes.push(`libtorch ${libtorchVersion} is not there: npm run setup fetches it, or set LIBTORCH`);
    } catch (error) {
      fixes.push((error as Error).message);
    }
    const missing = missingPackages();
    if (missing.length > 0)
      fixes.push(`system packages are missing: sudo apt-get install -y ${missing.join(' ')}`);
    if (info && !info.avx2)
      fixes.push('this processor has no AVX2: training works but is several times slower');
    const result = {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      addon: addonCandidates().find((path) => existsSync(path)) ?? null,
      libtorch,
      native: info,
      cpu: { model: cpus()[0]?.model.trim() ?? 'unknown', cores: availableParallelism() },
      memory: { total: totalmem(), free: freemem() },
      cuda: cudaState(),
      fixes,
    };
    print(json, result, () => {
      const yes = (value: boolean | undefined) => (value ? 'yes' : 'no');
      const rows: [string, string][] = [
        ['node', `${result.node} on ${result.platform}`],
        ['addon', info ? `${result.addon} (build ${info.build})` : 'not usable'],
        [
          'libtorch',
          libtorch
            ? `${info?.torch ?? libtorchVersion} from ${libtorch.source}: ${libtorch.folder}`
            : 'not found',
        ],
        ['processor', `${result.cpu.model}, ${result.cpu.cores} cores`],
        [
          'abilities',
          info
            ? `AVX2 ${yes(info.avx2)}, AVX-512 ${yes(info.avx512)}, bf16 ${yes(info.bf16)}, AMX ${yes(info.amx)}`
            : 'unknown without the addon',
        ],
        ['precision', info ? `auto means ${precisionFor('auto')}` : 'unknown'],
        ['CUDA', result.cuda],
        [
          'decoders',
          info
            ? Object.entries(info.decoders)
                .map(([name, text]) => `${name} ${text}`)
                .join(', ')
            : 'unknown',
        ],
        [
          'memory',
          `${(result.memory.free / 1e9).toFixed(1)} of ${(result.memory.total / 1e9).toFixed(1)} GB free`,
        ],
      ];
      return [
        table(['what', 'found'], rows),
        '',
        ...(fixes.length > 0
          ? ['to fix:', ...fixes.map((fix) => `  ${fix}`)]
          : ['all is well; next: npm run quickstart']),
      ].join('\n');
    });
    if (fixes.length > 0 && !info) process.exitCode = ExitCode.usage;
  },
};

/** The set-up scripts are plain JavaScript beside the package, so that they run before it is compiled. */
async function setupModule(name: string): Promise<{
  findLibtorch(): { folder: string; source: string } | null;
  libtorchVersion: string;
  missingPackages(): string[];
}> {
  return import(new URL(`../../scripts/setup/${name}.mjs`, import.meta.url).href);
}

function cudaState(): string {
  const probe = spawnSync('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'], {
    encoding: 'utf8',
  });
  if (probe.status !== 0) return 'no: no NVIDIA driver answers; training runs on the processor';
  return `${probe.stdout.trim()}: found, but this version computes on the processor only`;
}

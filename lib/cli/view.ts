import process from 'node:process';
import { count } from '../report/format.ts';
import { runFolders } from '../report/view/runs.ts';
import { serveRuns } from '../report/view/server.ts';
import { type CommonOptions, print, type Verb, wholeNumber } from './verb.ts';

interface ViewOptions extends CommonOptions {
  runs: string[];
  port?: number | undefined;
}

export const view: Verb<ViewOptions> = {
  command: 'view <runs..>',
  describe: 'Show runs in a browser while they train, several side by side',
  builder: (argv) =>
    argv
      .positional('runs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Run folders, or a folder that holds some',
      })
      .option('port', {
        type: 'number',
        describe: 'Port on this machine; 0 is any free one (default: 8700 or the next that is free)',
      })
      .example('$0 view runs/cells-1', 'one run, as its report.html but live')
      .example('$0 view runs', 'all runs below runs/ compared: curves, metrics, differences of the recipes'),
  handler: async (options) => {
    const { port } = options;
    const folders = runFolders(options.runs);
    const server = await serveRuns(folders, {
      port: port === undefined ? undefined : wholeNumber('port', port, 0, 65_535),
      again: () => runFolders(options.runs),
    });
    const runs = folders.length === 1 ? folders[0] : `${count(folders.length)} runs`;
    print(
      options.json,
      { url: server.url, runs: folders },
      () => `${server.url} shows ${runs}; Ctrl-C ends it`,
    );
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await server.close();
  },
};

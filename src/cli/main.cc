#include <fmt/format.h>

#include <cstdio>

#include <CLI/CLI.hpp>

#include "cli/calibrate_command.h"
#include "cli/exit_codes.h"
#include "cli/experiment_command.h"
#include "cli/kv_commands.h"
#include "cli/load_command.h"
#include "cli/sim_command.h"

int main(int argc, char** argv) {
  CLI::App app("The tool beside minosd: loads servers, simulates them, and talks to them by hand.",
               "minos");
  app.set_version_flag("--version", "minos " MINOS_VERSION);
  app.require_subcommand(1);
  int exit_code = minos::kExitFine;
  minos::add_load_command(app, exit_code);
  minos::add_sim_command(app, exit_code);
  minos::add_experiment_command(app, exit_code);
  minos::add_calibrate_command(app, exit_code);
  minos::add_kv_commands(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "minos: {}\nminos --help and minos COMMAND --help tell more.\n", e.what());
    return minos::kExitUsage;
  }
  return exit_code;
}

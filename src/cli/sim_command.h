#pragma once

#include <CLI/CLI.hpp>

namespace minos {

// `minos sim`: one configuration of the server in virtual time. The callback sets exit_code.
void add_sim_command(CLI::App& app, int& exit_code);

}  // namespace minos

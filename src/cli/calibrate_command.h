#pragma once

namespace CLI {
class App;
}

namespace minos {

// minos calibrate: the simulator's costs, fitted to this machine. Stores its exit code if it ran.
void add_calibrate_command(CLI::App& app, int& exit_code);

}  // namespace minos

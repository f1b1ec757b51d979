#pragma once

namespace CLI {
class App;
}

namespace minos {

// minos load: the load generator. Stores its exit code if it ran.
void add_load_command(CLI::App& app, int& exit_code);

}  // namespace minos

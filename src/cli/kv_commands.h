#pragma once

namespace CLI {
class App;
}

namespace minos {

// minos get, set, delete and stats: one request each, by hand. What ran stores its exit code.
void add_kv_commands(CLI::App& app, int& exit_code);

}  // namespace minos

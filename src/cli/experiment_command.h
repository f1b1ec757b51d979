#pragma once

namespace CLI {
class App;
}

namespace minos {

// minos experiment: the evaluation, as CSV and one HTML report. Stores its exit code if it ran.
void add_experiment_command(CLI::App& app, int& exit_code);

}  // namespace minos

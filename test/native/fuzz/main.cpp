// fuzz [--target NAME] [--count N] [--seed N] [--first N] [--input FILE] [--list]
// Tries damaged inputs on all targets or one. Exit code 1 when one fails; the line before says how to repeat
// it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include "runner.h"

namespace {

struct Options {
  std::vector<std::string> targets;
  uint64_t count = 1000, seed = 1, first = 0;
  std::string input;
};

uint64_t number(const std::string& name, const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || text.size() > 18)
    throw std::invalid_argument("expected a whole number for " + name + " but received '" + text + "'");
  return std::strtoull(text.c_str(), nullptr, 10);
}

Options parse(const std::vector<std::string>& arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) throw std::invalid_argument("expected a value behind " + name);
    const std::string& value = arguments[i + 1];
    if (name == "--target") {
      options.targets.push_back(value);
    } else if (name == "--count") {
      options.count = number(name, value);
    } else if (name == "--seed") {
      options.seed = number(name, value);
    } else if (name == "--first") {
      options.first = number(name, value);
    } else if (name == "--input") {
      options.input = value;
    } else {
      throw std::invalid_argument(
          "expected --target, --count, --seed, --first, --input or --list but received '" + name + "'");
    }
  }
  if (options.targets.empty()) options.targets = fuzz::targetNames();
  return options;
}

/// A target that knows one input: a file that somebody sent.
fuzz::Target only(fuzz::Target target, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::invalid_argument("expected a readable file for --input but received '" + path + "'");
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  target.corpus = [bytes] { return std::vector<fuzz::Sample>{{bytes}}; };
  return target;
}

void print(const std::string& name, const fuzz::Outcome& outcome) {
  std::cout << name << ": " << outcome.inputs << " inputs, " << outcome.accepted << " read";
  for (const auto& [code, inputs] : outcome.refused) std::cout << ", " << inputs << " " << code;
  std::cout << "; slowest " << static_cast<int>(outcome.slowest * 1e3) << " ms, peak "
            << (outcome.peakBytes >> 20) << " MiB\n";
}

void printFailure(const std::string& name, const fuzz::Target& target, const Options& options,
                  const fuzz::Failure& failure) {
  const std::string path =
      (std::filesystem::temp_directory_path() /
       ("hdtrain-fuzz-" + name + "-" + std::to_string(options.seed) + "-" + std::to_string(failure.index)))
          .string();
  std::ofstream(path, std::ios::binary) << fuzz::Inputs(target, options.seed).at(failure.index);
  std::cout << name << ": FAILED, input " << failure.index << " of seed " << options.seed << " "
            << failure.what << "\n  again: fuzz --target " << name << " --seed " << options.seed
            << " --first " << failure.index << " --count 1\n  the input: " << path << "\n";
}

int tryTargets(const Options& options) {
  bool failed = false;
  for (const std::string& name : options.targets) {
    fuzz::Target target = fuzz::makeTarget(name);
    uint64_t count = options.count;
    if (!options.input.empty()) {
      target = only(target, options.input);
      count = 1;
    }
    const fuzz::Outcome outcome = fuzz::run(target, options.seed, options.first, count);
    print(name, outcome);
    if (outcome.failure) printFailure(name, target, options, *outcome.failure);
    failed |= outcome.failure.has_value();
    std::cout << std::flush;
  }
  return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments == std::vector<std::string>{"--list"}) {
      for (const std::string& name : fuzz::targetNames()) std::cout << name << "\n";
      return 0;
    }
    return tryTargets(parse(arguments));
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}

// The main of every golden binary. Prints one line a fixture: `golden ok|FAIL|skip <fixture> <checks> …`.
//   --list   only print the fixtures that this binary has readers for
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "golden.h"

namespace fs = std::filesystem;

namespace golden {
namespace {

fs::path folder() {
  const char* chosen = std::getenv("HDTRAIN_GOLDENS");
  return chosen != nullptr && *chosen != '\0' ? fs::path(chosen)
                                              : fs::path(HD_SOURCE_DIR) / ".." / "shared" / "goldens";
}

}  // namespace

std::string pathOf(const std::string& relative) {
  return (folder() / relative).string();
}

std::string readText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw hd::Error("HD_IO", "cannot read " + path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace golden

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--list") {
    for (const auto& [fixture, reader] : golden::readers()) std::printf("%s\n", fixture.c_str());
    return 0;
  }
  long failed = 0, run = 0;
  for (const auto& [fixture, reader] : golden::readers()) {
    const std::string path = golden::pathOf(fixture + ".json");
    if (!fs::exists(path)) continue;
    golden::Checker check(fixture);
    try {
      reader(hd::parseJson(golden::readText(path)), check);
      check.truth(check.checks() > 0, "the reader checked nothing");
    } catch (const std::exception& error) {
      check.fail(std::string("stopped: ") + error.what());
    }
    ++run;
    failed += check.failures() > 0;
    std::printf("golden %s %s: %ld checks, %ld failed\n", check.failures() ? "FAIL" : "ok", fixture.c_str(),
                check.checks(), check.failures());
    for (const std::string& why : check.skips())
      std::printf("golden skip %s: %s\n", fixture.c_str(), why.c_str());
    std::fflush(stdout);
  }
  if (run == 0)
    std::fprintf(stderr, "golden: no file for any of this binary's %zu readers\n", golden::readers().size());
  return failed > 0 || run == 0 ? 1 : 0;
}

#include "runner.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <thread>

#include "core/error.h"
#include "mutator.h"

#ifdef HD_SANITIZE
#include <sanitizer/lsan_interface.h>
#endif

namespace fuzz {
namespace {

/// Waiting without computing is a hang as well, but a busy machine must not look like one.
constexpr double kPatience = 12;

double secondsOf(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// What the child leaves behind whatever ends it: lies in memory that both processes share.
struct Notes {
  struct Count {
    std::array<char, 48> code;
    uint64_t inputs;
  };
  std::atomic<uint64_t> index, inputs, accepted;
  std::atomic<double> began, beganCpu;  // of the current input: on the clock, and of the child's own time
  std::atomic<double> slowest;          // own seconds
  std::array<Count, 64> refused;
  std::array<char, 600> what;

  void refuse(const std::string& code) {
    for (Count& count : refused) {
      if (count.inputs == 0) code.copy(count.code.data(), count.code.size() - 1);
      if (code == count.code.data()) {
        ++count.inputs;
        return;
      }
    }
  }
  void fail(const std::string& text) { text.copy(what.data(), what.size() - 1); }
};

class SharedNotes {
 public:
  SharedNotes() {
    void* place = ::mmap(nullptr, sizeof(Notes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) throw std::runtime_error("no shared memory");
    notes_ = new (place) Notes{};
  }
  ~SharedNotes() { ::munmap(notes_, sizeof(Notes)); }
  SharedNotes(const SharedNotes&) = delete;
  SharedNotes& operator=(const SharedNotes&) = delete;
  Notes* operator->() const { return notes_; }

 private:
  Notes* notes_;
};

class WorkFolder {
 public:
  WorkFolder() : path_((std::filesystem::temp_directory_path() / "hdtrain-fuzz-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  ~WorkFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void limitMemory([[maybe_unused]] size_t more) {
#ifndef HD_SANITIZE  // a sanitizer reserves terabytes; its own max_allocation_size_mb serves
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t bytes = pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) + more;
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

bool allowed(const Target& target, const std::string& code) {
  return std::any_of(target.codes.begin(), target.codes.end(),
                     [&](const std::string& start) { return code.starts_with(start); });
}

/// What is wrong with how the target took the input; "" when nothing is.
std::string fault(const Target& target, const std::string& input, const std::string& folder,
                  const SharedNotes& notes) {
  try {
    target.read(input, folder);
    ++notes->accepted;
    return "";
  } catch (const hd::Error& error) {
    if (!allowed(target, error.code())) return "threw " + error.code() + ": " + error.what();
    notes->refuse(error.code());
    return *error.what() == '\0' ? "threw " + error.code() + " without a sentence" : "";
  } catch (const std::exception& error) {
    return std::string("threw no hd::Error: ") + error.what();
  } catch (...) {
    return "threw something that is no exception";
  }
}

/// The exit status: 0, or 1 with a note.
int tryAll(const Target& target, const Inputs& inputs, uint64_t first, uint64_t count, const Limits& limits,
           const std::string& folder, const SharedNotes& notes) {
  limitMemory(limits.bytes);
  for (uint64_t index = first; index < first + count; ++index) {
    const std::string input = inputs.at(index);
    notes->index = index;
    notes->beganCpu = secondsOf(CLOCK_PROCESS_CPUTIME_ID);
    notes->began = secondsOf(CLOCK_MONOTONIC);
    const std::string what = fault(target, input, folder, notes);
    notes->slowest = std::max<double>(notes->slowest, secondsOf(CLOCK_PROCESS_CPUTIME_ID) - notes->beganCpu);
    ++notes->inputs;
    if (!what.empty()) {
      notes->fail(what);
      return 1;
    }
  }
#ifdef HD_SANITIZE
  if (__lsan_do_recoverable_leak_check() != 0) {
    notes->fail("memory was leaked by one of the inputs up to this one");
    return 1;
  }
#endif
  return 0;
}

bool hangs(pid_t child, const Limits& limits, const SharedNotes& notes) {
  clockid_t own = 0;
  if (secondsOf(CLOCK_MONOTONIC) - notes->began > kPatience * limits.seconds) return true;
  return ::clock_getcpuclockid(child, &own) == 0 && secondsOf(own) - notes->beganCpu > limits.seconds;
}

/// Waits for the child; kills it when one input takes too long. The status of waitpid, or nothing for a hang.
std::optional<int> waitFor(pid_t child, const Limits& limits, const SharedNotes& notes, rusage& usage) {
  for (;;) {
    int status = 0;
    if (::wait4(child, &status, WNOHANG, &usage) == child) return status;
    if (hangs(child, limits, notes)) {
      ::kill(child, SIGKILL);
      ::wait4(child, &status, 0, &usage);
      return std::nullopt;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

std::string describe(const std::optional<int>& status, const Limits& limits, const std::string& noted) {
  if (!status) return hd::concat("took more than ", limits.seconds, " s");
  if (!noted.empty()) return noted;
  if (WIFSIGNALED(*status)) return hd::concat("crashed: ", ::strsignal(WTERMSIG(*status)));
  return hd::concat("ended the process with status ", WEXITSTATUS(*status));
}

}  // namespace

std::string Inputs::at(uint64_t index) const {
  if (index < samples_.size()) return samples_[index].file();
  hd::Random random(seed_, "fuzz", 0, index);
  const auto choose = [&]() -> const Sample& {
    return samples_[random.below(static_cast<uint32_t>(samples_.size()))];
  };
  const Sample& sample = choose();
  const std::string bytes = mutate(sample.bytes, choose().bytes, target_.tokens, random);
  return sample.wrap ? sample.wrap(bytes) : bytes;
}

Outcome run(const Target& target, uint64_t seed, uint64_t first, uint64_t count, const Limits& limits) {
  const Inputs inputs(target, seed);
  const SharedNotes notes;
  const WorkFolder folder;
  notes->began = secondsOf(CLOCK_MONOTONIC);
  std::fflush(nullptr);  // or the child would print it again
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no further process");
  if (child == 0) ::_exit(tryAll(target, inputs, first, count, limits, folder.path(), notes));

  rusage usage{};
  const std::optional<int> status = waitFor(child, limits, notes, usage);
  Outcome outcome;
  outcome.inputs = notes->inputs;
  outcome.accepted = notes->accepted;
  outcome.slowest = notes->slowest;
  outcome.peakBytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  for (const Notes::Count& entry : notes->refused) {
    if (entry.inputs > 0) outcome.refused[entry.code.data()] = entry.inputs;
  }
  if (status != 0 || outcome.inputs != count)
    outcome.failure = Failure{notes->index, describe(status, limits, notes->what.data())};
  return outcome;
}

}  // namespace fuzz

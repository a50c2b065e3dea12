#include "io/atomic_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "core/rng.h"
#include "files.h"
#include "io/system_error.h"

namespace {

// The order of the calls that decide what a power failure leaves. Null: nobody listens.
std::string* calls = nullptr;

void note(const char* call) {
  if (calls != nullptr) *calls += std::string(calls->empty() ? "" : " ") + call;
}

}  // namespace

// Stand in front of libc's own for this binary.
extern "C" int fsync(int descriptor) {
  struct stat status {};
  ::fstat(descriptor, &status);
  note(S_ISDIR(status.st_mode) ? "fsync-folder" : "fsync-file");
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  note("rename");
  return static_cast<int>(::syscall(SYS_rename, from, to));
}

using hd::io::AtomicFile;
using hd::io::removeTemporaries;
using hd::io::writeFileAtomically;
using namespace hd::io::test;

TEST_CASE("atomic file: pieces of every size arrive in order") {
  const TempFolder folder;
  hd::Random random(1, "atomic", 0, 0);
  std::string expected;
  AtomicFile file(folder / "a");
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{1} << 20, (size_t{1} << 20) - 1,
                            size_t{3} << 20, size_t{100}}) {
    std::string piece(size, '\0');
    for (char& byte : piece) byte = static_cast<char>(random.bits());
    file.write(piece);
    expected += piece;
  }
  CHECK_FALSE(std::filesystem::exists(folder / "a"));
  file.commit();
  CHECK(readAll(folder / "a") == expected);
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic file: the temporary name carries the process") {
  const TempFolder folder;
  const AtomicFile file(folder / "a");
  CHECK(file.temporaryPath() == (folder / "a") + ".tmp-" + std::to_string(::getpid()));
  CHECK(std::filesystem::exists(file.temporaryPath()));
}

TEST_CASE("atomic file: without a commit nothing changes and nothing stays") {
  const TempFolder folder;
  writeAll(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
  }
  CHECK(readAll(folder / "a") == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic file: a commit replaces the file; readers of the old one keep it") {
  const TempFolder folder;
  writeAll(folder / "a", "old");
  std::ifstream reader(folder / "a");
  writeFileAtomically(folder / "a", "new");
  std::string seen;
  reader >> seen;
  CHECK(seen == "old");
  CHECK(readAll(folder / "a") == "new");
}

TEST_CASE("atomic file: works on a bare name in the current folder") {
  const TempFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  writeFileAtomically("bare", "x");
  std::filesystem::current_path(before);
  CHECK(readAll(folder / "bare") == "x");
}

TEST_CASE("atomic file: a leftover of a killed process with the same id is overwritten") {
  const TempFolder folder;
  writeAll((folder / "a") + ".tmp-" + std::to_string(::getpid()), "much longer leftover");
  writeFileAtomically(folder / "a", "new");
  CHECK(readAll(folder / "a") == "new");
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic file: a second commit is a mistake of the caller") {
  const TempFolder folder;
  AtomicFile file(folder / "a");
  file.commit();
  CHECK(thrownBy([&] { file.commit(); }).code == "HD_INTERNAL");
}

TEST_CASE("atomic file: a full disk is HD_DISK_FULL, leaves the old file and no temporary one") {
  const TempFolder folder;
  writeAll(folder / "a", "old");
  // The temporary name leads to the device that is always full.
  for (const size_t size : {size_t{10}, size_t{5} << 20}) {
    std::filesystem::create_symlink("/dev/full", (folder / "a") + ".tmp-" + std::to_string(::getpid()));
    const auto thrown = thrownBy([&] { writeFileAtomically(folder / "a", std::string(size, 'x')); });
    CHECK(thrown.code == "HD_DISK_FULL");
    CHECK(thrown.says("No space left"));
    CHECK(thrown.says("free some space"));
    CHECK(readAll(folder / "a") == "old");
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("atomic file: quota counts as a full disk, other failures as HD_IO") {
  CHECK(hd::io::systemError("to write", "f", ENOSPC).code() == "HD_DISK_FULL");
  CHECK(hd::io::systemError("to write", "f", EDQUOT).code() == "HD_DISK_FULL");
  CHECK(hd::io::systemError("to write", "f", EIO).code() == "HD_IO");
  CHECK(hd::io::systemError("to write", "f", EIO).where() == "f");
}

TEST_CASE("atomic file: missing folders, files for folders and folders for files are HD_IO") {
  const TempFolder folder;
  CHECK(thrownBy([&] { AtomicFile(folder / "missing/a"); }).says("No such file"));
  writeAll(folder / "file", "");
  CHECK(thrownBy([&] { AtomicFile(folder / "file/a"); }).code == "HD_IO");
  std::filesystem::create_directory(folder / "folder");
  const auto thrown = thrownBy([&] { writeFileAtomically(folder / "folder", "x"); });
  CHECK(thrown.code == "HD_IO");
  CHECK(folder.count() == 2);
}

TEST_CASE("atomic file: a write cut short by a size limit goes on, fails, and cleans up") {
  const TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    // The kernel writes up to the limit (a short write), then refuses with EFBIG.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{3 << 20, 3 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto thrown =
        thrownBy([&] { writeFileAtomically(folder / "a", std::string(size_t{5} << 20, 'x')); });
    ::_exit(thrown.code == "HD_IO" && thrown.says("File too large") && folder.count() == 0 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("atomic file: interrupted and short writes lose nothing") {
  const TempFolder folder;
  const std::string temporary = (folder / "a") + ".tmp-" + std::to_string(::getpid());
  // A pipe in place of the temporary file takes 64 KB at a time, and a timer interrupts the waiting writer.
  REQUIRE(::mkfifo(temporary.c_str(), 0600) == 0);
  std::string content(size_t{3} << 20, '\0'), received;
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 3);
  std::thread reader([&] {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGALRM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const int descriptor = ::open(temporary.c_str(), O_RDONLY);
    std::vector<char> buffer(1 << 16);
    for (ssize_t size; (size = ::read(descriptor, buffer.data(), buffer.size())) > 0;) {
      received.append(buffer.data(), static_cast<size_t>(size));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ::close(descriptor);
  });
  struct sigaction ignore {
  }, before{};
  static volatile sig_atomic_t interruptions;
  interruptions = 0;
  ignore.sa_handler = [](int) { interruptions = interruptions + 1; };  // no SA_RESTART
  ::sigaction(SIGALRM, &ignore, &before);
  const itimerval often{{0, 500}, {0, 500}}, never{};
  ::setitimer(ITIMER_REAL, &often, nullptr);
  // fsync has no meaning for a pipe, so the commit fails in the end.
  const auto thrown = thrownBy([&] { writeFileAtomically(folder / "a", content); });
  ::setitimer(ITIMER_REAL, &never, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
  reader.join();
  CHECK(thrown.code == "HD_IO");
  CHECK(interruptions > 10);
  CHECK(received == content);
  CHECK(folder.count() == 0);
}

TEST_CASE("atomic file: a process killed at any moment leaves the old content or the new") {
  const TempFolder folder;
  const std::string old(100000, 'o'), fresh(100000, 'n');
  writeAll(folder / "a", old);
  hd::Random random(2, "atomic", 0, 0);
  for (int round = 0; round < 10; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0;; ++i) writeFileAtomically(folder / "a", i % 2 == 0 ? fresh : old);
    }
    ::usleep(1000 + random.below(10000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const std::string seen = readAll(folder / "a");
    REQUIRE((seen == old || seen == fresh));
  }
  removeTemporaries(folder.path());
  CHECK(folder.count() == 1);
}

TEST_CASE("atomic file: leftovers are found by their exact form of name") {
  const TempFolder folder;
  for (const char* name :
       {"a.tmp-1", "state.json.tmp-4194304", "b.tmp-", "c.tmp-12x", "d.tmp", "tmp-3", "e"}) {
    writeAll(folder / name, "");
  }
  std::filesystem::create_directory(folder / "folder.tmp-7");
  CHECK(removeTemporaries(folder.path()) == 2);
  CHECK(folder.count() == 6);
  CHECK(removeTemporaries(folder / "missing") == 0);
}

TEST_CASE("atomic file: the file is synced before it gets its name, the folder afterwards") {
  const TempFolder folder;
  std::string heard;
  calls = &heard;
  writeFileAtomically(folder / "a", "content");
  calls = nullptr;
  CHECK(heard == "fsync-file rename fsync-folder");
  CHECK(readAll(folder / "a") == "content");
}

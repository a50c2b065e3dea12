#include "io/file_lock.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "files.h"

using hd::io::FileLock;
using namespace hd::io::test;

namespace {

/// Runs `body` in a child process and returns what it returned.
template <class Body>
int inChild(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A child that takes the lock and holds it until it is killed.
pid_t holderChild(const std::string& path) {
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    FileLock lock(path);
    const char result = lock.tryLock() ? 'y' : 'n';
    if (::write(ready[1], &result, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char result = 0;
  REQUIRE(::read(ready[0], &result, 1) == 1);
  CHECK(result == 'y');
  ::close(ready[0]);
  ::close(ready[1]);
  return child;
}

}  // namespace

TEST_CASE("file lock: one holder among processes; the others learn who it is") {
  const TempFolder folder;
  const std::string path = folder / "lock";
  FileLock lock(path);
  CHECK_FALSE(lock.held());
  CHECK(lock.holder().empty());
  REQUIRE(lock.tryLock());
  CHECK(lock.held());
  CHECK(lock.tryLock());  // again is still yes
  const std::string self = std::to_string(::getpid());
  CHECK(inChild([&] {
          FileLock other(path);
          const bool refused = !other.tryLock() && !other.held();
          return refused && other.holder().starts_with(self + " ") ? 0 : 1;
        }) == 0);
  lock.unlock();
  CHECK_FALSE(lock.held());
  CHECK(inChild([&] { return FileLock(path).tryLock() ? 0 : 1; }) == 0);
}

TEST_CASE("file lock: the file says pid and host") {
  const TempFolder folder;
  FileLock lock(folder / "lock");
  writeAll(folder / "lock", "a longer line that an earlier holder left\nand more\n");
  REQUIRE(lock.tryLock());
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  CHECK(readAll(folder / "lock") == std::to_string(::getpid()) + " " + host + "\n");
  CHECK(lock.holder() == std::to_string(::getpid()) + " " + host);
  lock.unlock();
  CHECK(readAll(folder / "lock").empty());
}

TEST_CASE("file lock: a killed holder leaves none") {
  const TempFolder folder;
  const std::string path = folder / "lock";
  const pid_t child = holderChild(path);
  FileLock lock(path);
  CHECK_FALSE(lock.tryLock());
  CHECK(lock.holder().starts_with(std::to_string(child) + " "));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(lock.tryLock());
  CHECK(lock.holder().starts_with(std::to_string(::getpid()) + " "));
}

TEST_CASE("file lock: two objects in one process exclude each other, and the end of one frees the other") {
  const TempFolder folder;
  FileLock second(folder / "lock");
  {
    FileLock first(folder / "lock");
    REQUIRE(first.tryLock());
    CHECK_FALSE(second.tryLock());
  }
  CHECK(second.tryLock());
}

TEST_CASE("file lock: a program that the killed holder had started does not keep it") {
  const TempFolder folder;
  const std::string path = folder / "lock";
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    FileLock lock(path);
    pid_t program = lock.tryLock() ? ::fork() : -1;
    if (program == 0) {
      ::execlp("sleep", "sleep", "30", nullptr);
      ::_exit(1);
    }
    if (::write(ready[1], &program, sizeof program) != sizeof program) ::_exit(1);
    while (true) ::pause();
  }
  pid_t program = -1;
  REQUIRE(::read(ready[0], &program, sizeof program) == sizeof program);
  ::close(ready[0]);
  ::close(ready[1]);
  REQUIRE(program > 0);
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  // The copy of the descriptor goes when the program replaces the forked child.
  FileLock lock(path);
  bool freed = lock.tryLock();
  for (int i = 0; i < 500 && !freed; ++i) {
    ::usleep(10000);
    freed = lock.tryLock();
  }
  CHECK(freed);
  CHECK(::kill(program, 0) == 0);  // it still runs
  ::kill(program, SIGKILL);
}

TEST_CASE("file lock: a file that cannot be opened is HD_IO") {
  const TempFolder folder;
  const auto thrown = thrownBy([&] { FileLock(folder / "missing/lock"); });
  CHECK(thrown.code == "HD_IO");
  CHECK(thrown.says("lock file"));
  CHECK(thrownBy([&] { FileLock(folder.path()); }).code == "HD_IO");
}

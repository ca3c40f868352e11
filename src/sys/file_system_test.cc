#include "sys/file_system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "base/random.h"
#include "sys/real_clock.h"
#include "sys/temporary_folder.h"

namespace millrace::sys {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FileSystemTest : public testing::Test {
 protected:
  std::string content(const std::string& path) {
    auto bytes = files_.read_file(path);
    EXPECT_TRUE(bytes.is_ok()) << bytes.status().to_string();
    return bytes.is_ok() ? *bytes : "";
  }
  void write(const std::string& path, std::string_view bytes) {
    const Status status = files_.write_file_atomically(path, bytes);
    ASSERT_TRUE(status.is_ok()) << status.to_string();
  }

  TemporaryFolder folder_;
  PosixFileSystem files_;
};

void expect_ok(const Status& status) {
  EXPECT_TRUE(status.is_ok()) << status.to_string();
}

TEST_F(FileSystemTest, random_writes_agree_with_a_string) {
  constexpr std::uint64_t kSeed = 5;
  Random random(kSeed);
  auto file = files_.create(folder_ / "file").value();
  std::string twin;
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t position = random.below(20'000);
    std::vector<std::string> owned;
    for (auto left = random.below(6); left > 0; --left) {
      owned.emplace_back(random.below(500), static_cast<char>(random.next()));
    }
    std::string joined;
    std::vector<std::string_view> buffers;
    for (const auto& bytes : owned) {
      joined += bytes;
      buffers.push_back(bytes);
    }
    expect_ok(random.one_in(2) ? file->write_at(position, joined)
                               : file->write_at(position, buffers));
    if (!joined.empty()) {
      if (twin.size() < position + joined.size()) twin.resize(position + joined.size());
      twin.replace(position, joined.size(), joined);
    }
    if (random.one_in(10)) {
      const auto bytes = random.below(20'000);
      expect_ok(file->truncate(bytes));
      twin.resize(bytes);
    }
    ASSERT_EQ(file->size().value(), twin.size()) << "seed " << kSeed << " round " << i;
    const auto from = random.below(25'000);
    const auto size = random.below(5'000);
    std::string read = "before";
    expect_ok(file->read_at(from, size, read));
    ASSERT_EQ(read, "before" + (from < twin.size() ? twin.substr(from, size) : ""));
  }
  expect_ok(file->sync());
  EXPECT_EQ(content(folder_ / "file"), twin);
}

TEST_F(FileSystemTest, more_buffers_than_one_system_call_takes_are_written) {
  std::string expected;
  std::vector<std::string> owned;
  for (int i = 0; i < 5000; ++i) owned.push_back(i % 3 == 0 ? "" : std::to_string(i));
  std::vector<std::string_view> buffers(owned.begin(), owned.end());
  for (const auto& text : owned) expected += text;
  auto file = files_.create(folder_ / "file").value();
  expect_ok(file->write_at(3, buffers));
  expect_ok(file->write_at(0, "abc"));
  expect_ok(file->write_at(0, std::vector<std::string_view>{}));
  EXPECT_EQ(content(folder_ / "file"), "abc" + expected);
}

TEST_F(FileSystemTest, a_write_that_the_kernel_cuts_short_ends_in_its_error) {
  // With a file size limit the kernel first writes what fits, then refuses: a partial write.
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto file = files_.create(folder_ / "file").value();
    const std::string bytes(700, 'x');
    const Status vectored = file->write_at(0, std::vector<std::string_view>{bytes, bytes});
    const Status plain = file->write_at(500, bytes);
    const bool is_right = vectored.code() == StatusCode::io && plain.code() == StatusCode::io &&
                          vectored.message().find("File too large") != std::string_view::npos;
    ::_exit(is_right ? 0 : 1);
  }
  int result = -1;
  ::waitpid(child, &result, 0);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(content(folder_ / "file"), std::string(1000, 'x'));
}

TEST_F(FileSystemTest, reading_past_the_end_gives_what_is_there) {
  write(folder_ / "file", "hello");
  const auto file = files_.open_to_read(folder_ / "file").value();
  std::string out;
  expect_ok(file->read_at(3, std::size_t{1} << 40, out));
  EXPECT_EQ(out, "lo");
  out.clear();
  expect_ok(file->read_at(9, 5, out));
  EXPECT_EQ(out, "");
  EXPECT_EQ(file->read_at(~std::uint64_t{0}, 5, out).code(), StatusCode::io);
}

TEST_F(FileSystemTest, a_file_opened_to_read_cannot_be_written) {
  write(folder_ / "file", "hello");
  const auto file = files_.open_to_read(folder_ / "file").value();
  EXPECT_EQ(file->write_at(0, "x").code(), StatusCode::io);
  EXPECT_EQ(file->write_at(0, std::vector<std::string_view>{"x"}).code(), StatusCode::io);
  EXPECT_EQ(file->allocate(10).code(), StatusCode::io);
}

TEST_F(FileSystemTest, allocated_space_is_on_disk_and_reads_as_zero) {
  auto file = files_.create(folder_ / "file").value();
  expect_ok(file->write_at(0, "head"));
  expect_ok(file->allocate(1 << 20));
  expect_ok(file->allocate(100));  // less than there is changes nothing
  expect_ok(file->allocate(0));
  EXPECT_EQ(file->size().value(), 1u << 20);
  std::string out;
  expect_ok(file->read_at(0, 8, out));
  EXPECT_EQ(out, std::string("head\0\0\0\0", 8));
  struct stat info{};
  ASSERT_EQ(::stat((folder_ / "file").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 1 << 20);
}

TEST_F(FileSystemTest, errors_name_the_path_and_the_reason) {
  const std::string missing = folder_ / "nowhere/file";
  EXPECT_EQ(files_.open(missing).status().code(), StatusCode::not_found);
  EXPECT_EQ(files_.open_to_read(missing).status().to_string(),
            "not_found: open " + missing + ": No such file or directory");
  EXPECT_EQ(files_.create(missing).status().code(), StatusCode::not_found);
  EXPECT_EQ(files_.read_file(missing).status().code(), StatusCode::not_found);
  EXPECT_EQ(files_.rename(missing, folder_ / "x").code(), StatusCode::not_found);
  EXPECT_EQ(files_.sync_folder(folder_ / "nowhere").code(), StatusCode::not_found);
  EXPECT_EQ(files_.write_file_atomically(missing, "x").code(), StatusCode::not_found);
  EXPECT_EQ(files_.lock_folder(folder_ / "nowhere").status().code(), StatusCode::not_found);
  write(folder_ / "file", "x");
  const Status blocked = files_.make_folders(folder_ / "file/below");
  EXPECT_EQ(blocked.code(), StatusCode::io);
  EXPECT_THAT(std::string(blocked.message()), HasSubstr("Not a directory"));
  EXPECT_EQ(files_.make_folders(folder_ / "file").code(), StatusCode::io);
  EXPECT_EQ(files_.list(folder_ / "file").status().code(), StatusCode::io);
  EXPECT_EQ(files_.remove(folder_.path()).code(), StatusCode::io);
}

TEST_F(FileSystemTest, an_unwritable_folder_refuses) {
  // root may write anywhere, so the work is done by a child that is nobody.
  const std::string path = folder_ / "closed";
  expect_ok(files_.make_folders(path));
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0555), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    const auto is_denied = [](const Status& status) {
      return status.code() == StatusCode::io &&
             status.message().find("Permission denied") != std::string_view::npos;
    };
    const bool is_right = is_denied(files_.create(path + "/file").status()) &&
                          is_denied(files_.make_folders(path + "/folder")) &&
                          is_denied(files_.lock_folder(path).status());
    ::_exit(is_right ? 0 : 1);
  }
  int result = -1;
  ::waitpid(child, &result, 0);
  if (WEXITSTATUS(result) == 2) GTEST_SKIP() << "cannot become another user";
  EXPECT_EQ(result, 0);
}

TEST_F(FileSystemTest, a_full_disk_is_an_io_error_that_says_so) {
  const int descriptor = ::open("/dev/full", O_RDWR);
  if (descriptor < 0) GTEST_SKIP() << "no /dev/full here";
  ::close(descriptor);
  const auto full = files_.open("/dev/full");
  ASSERT_TRUE(full.is_ok());
  for (const Status& status :
       {(*full)->write_at(0, "x"), (*full)->write_at(0, std::vector<std::string_view>{"x", "y"})}) {
    EXPECT_EQ(status.to_string(), "io: write /dev/full: No space left on device");
  }
}

TEST_F(FileSystemTest, a_small_disk_refuses_to_allocate_and_to_write_more_than_it_has) {
  const std::string path = folder_ / "small";
  expect_ok(files_.make_folders(path));
  const pid_t child = ::fork();
  if (child == 0) {  // a mount of its own, which dies with it
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=64k") != 0) {
      ::_exit(2);
    }
    const auto is_full = [](const Status& status) {
      return status.code() == StatusCode::io &&
             status.message().find("No space left on device") != std::string_view::npos;
    };
    auto file = files_.create(path + "/file").value();
    bool is_right = is_full(file->allocate(1 << 20));
    is_right = is_right && file->allocate(32 << 10).is_ok();
    is_right = is_right && is_full(file->write_at(0, std::string(1 << 20, 'x')));
    is_right =
        is_right && is_full(files_.write_file_atomically(path + "/b", std::string(1 << 20, 'x')));
    is_right = is_right && !files_.exists(path + "/b").value();
    ::_exit(is_right ? 0 : 1);
  }
  int result = -1;
  ::waitpid(child, &result, 0);
  if (WEXITSTATUS(result) == 2) GTEST_SKIP() << "cannot mount a small disk here";
  EXPECT_EQ(result, 0);
}

TEST_F(FileSystemTest, link_new_never_replaces) {
  write(folder_ / "a", "a");
  write(folder_ / "b", "b");
  expect_ok(files_.link_new(folder_ / "a", folder_ / "c"));
  EXPECT_EQ(files_.link_new(folder_ / "b", folder_ / "c").code(), StatusCode::exists);
  EXPECT_EQ(content(folder_ / "c"), "a");
  EXPECT_EQ(files_.link_new(folder_ / "none", folder_ / "d").code(), StatusCode::not_found);

  std::atomic<int> winners{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      if (files_.link_new(folder_ / "a", folder_ / "raced").is_ok()) ++winners;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(winners, 1);
}

TEST_F(FileSystemTest, names_are_listed_sorted_and_removed_whole) {
  expect_ok(files_.make_folders(folder_ / "x/y//z"));
  expect_ok(files_.make_folders(folder_ / "x/y/z"));
  write(folder_ / "x/b", "");
  write(folder_ / "x/a", "");
  ASSERT_EQ(::symlink(folder_.path().c_str(), (folder_ / "x/loop").c_str()), 0);
  EXPECT_THAT(files_.list(folder_ / "x").value(), ElementsAre("a", "b", "loop", "y"));
  EXPECT_THAT(files_.list(folder_ / "nothing").value(), ElementsAre());
  EXPECT_TRUE(files_.exists(folder_ / "x/a").value());
  EXPECT_FALSE(files_.exists(folder_ / "x/a/b").value());
  EXPECT_FALSE(files_.exists(folder_ / "w").value());
  EXPECT_TRUE(files_.is_folder(folder_ / "x").value());
  EXPECT_FALSE(files_.is_folder(folder_ / "x/a").value());
  EXPECT_FALSE(files_.is_folder(folder_ / "w").value());
  expect_ok(files_.remove(folder_ / "x/a"));
  expect_ok(files_.remove(folder_ / "x/a"));
  expect_ok(files_.remove_tree(folder_ / "x"));
  expect_ok(files_.remove_tree(folder_ / "x"));
  EXPECT_THAT(files_.list(folder_.path()).value(), ElementsAre());
}

TEST_F(FileSystemTest, whole_files_are_replaced_whole) {
  write(folder_ / "file", "old");
  write(folder_ / "file", "new and longer");
  EXPECT_EQ(content(folder_ / "file"), "new and longer");
  EXPECT_THAT(files_.list(folder_.path()).value(), ElementsAre("file"));
}

TEST_F(FileSystemTest, a_locked_folder_names_its_holder) {
  auto lock = files_.lock_folder(folder_.path());
  ASSERT_TRUE(lock.is_ok()) << lock.status().to_string();
  const auto second = files_.lock_folder(folder_.path());
  EXPECT_EQ(second.status().code(), StatusCode::exists);
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("process " + std::to_string(::getpid()) + ";"));
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(files_.lock_folder(folder_.path()).status().code() == StatusCode::exists ? 0 : 1);
  }
  int result = -1;
  ::waitpid(child, &result, 0);
  EXPECT_EQ(result, 0);
  lock = cancelled_error("released");
  EXPECT_TRUE(files_.lock_folder(folder_.path()).is_ok());
}

TEST_F(FileSystemTest, a_lock_dies_with_its_process) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = files_.lock_folder(folder_.path());
    const char answer = lock.is_ok() ? 'y' : 'n';
    std::ignore = ::write(ready[1], &answer, 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const auto refused = files_.lock_folder(folder_.path());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(files_.lock_folder(folder_.path()).is_ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(RealClock, runs_in_the_units_promised) {
  const RealClock clock;
  // Between 2020 and 2100 in milliseconds; monotonic time never goes back.
  EXPECT_GT(clock.wall_now().value, 1'577'836'800'000);
  EXPECT_LT(clock.wall_now().value, 4'102'444'800'000);
  const auto first = clock.monotonic_now();
  EXPECT_LE(first, clock.monotonic_now());
}

}  // namespace
}  // namespace millrace::sys

/*
 * disk.c - what a disk can take: the two ways of storing mail durably, bare.
 *
 * log: appends of a block or more to a file that was filled with zeros before,
 *      one fdatasync(2) for every so many: what the journal asks of the disk.
 * files: one new file a message, synced, renamed, its directory synced: what
 *      a queue of files asks, by so many threads.
 * Each measurement ends after its time or its count; its files go.
 */
#include "config.h"

#include "tool.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SIZE_MAX_OCTETS = 1 << 20,
	SECONDS_MAX = 60,
	COUNT_MAX = 1000000,
	THREADS_MAX = 64,
	BLOCK = 4096,
	/* The file of a log is no larger, and is written again from its start,
	 * as segments of the journal are. */
	LOG_SIZE = 16 << 20,
	NAME_MAX_LEN = 64,
};

struct job {
	const char *data;
	size_t size;
	long count;
	double seconds;
	int dir_fd;
	int thread;
	long done;
};

static void fill_with_zeros(int fd)
{
	static const char zeros[1 << 16];
	int i;

	for (i = 0; i < LOG_SIZE / (int)sizeof(zeros); i++)
		if (write(fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
			tool_die("writing a file of %d octets", LOG_SIZE);
	if (fsync(fd) != 0)
		tool_die("syncing");
}

static double run_log(struct job *job, long batch)
{
	const size_t whole = (job->size + BLOCK - 1) / BLOCK * BLOCK;
	const char *name = "bench-log";
	double begin, end;
	off_t at = 0;
	int fd = openat(job->dir_fd, name, O_CREAT | O_TRUNC | O_RDWR, 0600);

	if (fd < 0)
		tool_die("making a file");
	unlinkat(job->dir_fd, name, 0);
	fill_with_zeros(fd);
	begin = end = tool_now_s();
	for (job->done = 0;
		job->done < job->count && end - begin < job->seconds;) {
		if (at + (off_t)whole > LOG_SIZE)
			at = 0;
		if (pwrite(fd, job->data, whole, at) != (ssize_t)whole)
			tool_die("appending");
		at += (off_t)whole;
		if (++job->done % batch != 0)
			continue;
		if (fdatasync(fd) != 0)
			tool_die("syncing");
		end = tool_now_s();
	}
	close(fd);
	job->done -= job->done % batch;
	return end > begin ? (double)job->done / (end - begin) : 0;
}

static void names_of(const struct job *job, long i, char *temporary, char *name)
{
	snprintf(temporary, NAME_MAX_LEN, "bench-t%d.%ld", job->thread, i);
	snprintf(name, NAME_MAX_LEN, "bench-m%d.%ld", job->thread, i);
}

static void store_file(const struct job *job, long i)
{
	char temporary[NAME_MAX_LEN], name[NAME_MAX_LEN];
	int fd;

	names_of(job, i, temporary, name);
	fd = openat(job->dir_fd, temporary, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0 || write(fd, job->data, job->size) != (ssize_t)job->size ||
		fsync(fd) != 0 || close(fd) != 0 ||
		renameat(job->dir_fd, temporary, job->dir_fd, name) != 0 ||
		fsync(job->dir_fd) != 0)
		tool_die("storing a file");
}

static void *files_thread(void *arg)
{
	struct job *job = arg;
	const double begin = tool_now_s();

	for (job->done = 0;
		job->done < job->count && tool_now_s() - begin < job->seconds;
		job->done++)
		store_file(job, job->done);
	return NULL;
}

static void remove_files(const struct job *job)
{
	char temporary[NAME_MAX_LEN], name[NAME_MAX_LEN];
	long i;

	for (i = 0; i < job->done; i++) {
		names_of(job, i, temporary, name);
		unlinkat(job->dir_fd, name, 0);
	}
}

static double run_files(const struct job *job, int threads)
{
	pthread_t ids[THREADS_MAX];
	struct job jobs[THREADS_MAX];
	double begin = tool_now_s(), end;
	long done = 0;
	int i;

	for (i = 0; i < threads; i++) {
		jobs[i] = *job;
		jobs[i].thread = i;
		jobs[i].count = job->count / threads;
		if (pthread_create(&ids[i], NULL, files_thread, &jobs[i]) != 0)
			tool_die("starting a thread");
	}
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	end = tool_now_s();
	for (i = 0; i < threads; i++) {
		done += jobs[i].done;
		remove_files(&jobs[i]);
	}
	return end > begin ? (double)done / (end - begin) : 0;
}

static void usage(void)
{
	fputs("usage: disk [-s OCTETS] [-m COUNT] [-t SECONDS] "
	      "[-l BATCH | -f THREADS] DIR\n"
	      "Measures what the disk of DIR can take in durable messages a "
	      "second,\nby -m messages (10000) of -s octets (4096), each way "
	      "for -t seconds (2).\nOf the ways only appends with a sync every "
	      "-l, or files by -f threads.\n",
		stderr);
	exit(2);
}

static void print_log(struct job *job, long batch)
{
	printf("log batch=%ld rate=%.0f\n", batch, run_log(job, batch));
}

static void print_files(const struct job *job, int threads)
{
	printf("files threads=%d rate=%.0f\n", threads,
		run_files(job, threads));
}

static void run_all(struct job *job)
{
	print_log(job, 1);
	print_log(job, 20);
	print_log(job, 100);
	print_files(job, 1);
	print_files(job, 20);
}

int main(int argc, char **argv)
{
	struct job job = {.size = BLOCK, .count = 10000, .seconds = 2};
	long batch = 0, threads = 0;
	char *data;
	int option;

	while ((option = getopt(argc, argv, "s:m:t:l:f:")) != -1) {
		if (option == 's')
			job.size = (size_t)tool_number(
				's', optarg, 1, SIZE_MAX_OCTETS);
		else if (option == 'm')
			job.count = tool_number('m', optarg, 1, COUNT_MAX);
		else if (option == 't')
			job.seconds = (double)tool_number(
				't', optarg, 1, SECONDS_MAX);
		else if (option == 'l')
			batch = tool_number('l', optarg, 1, COUNT_MAX);
		else if (option == 'f')
			threads = tool_number('f', optarg, 1, THREADS_MAX);
		else
			usage();
	}
	if (optind + 1 != argc)
		usage();
	job.dir_fd = open(argv[optind], O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (job.dir_fd < 0)
		tool_die("%s", argv[optind]);
	data = calloc(1, (size_t)SIZE_MAX_OCTETS + BLOCK);
	if (data == NULL)
		tool_die("no memory");
	memset(data, 'x', SIZE_MAX_OCTETS);
	job.data = data;
	if (batch > 0)
		print_log(&job, batch);
	if (threads > 0)
		print_files(&job, (int)threads);
	if (batch == 0 && threads == 0)
		run_all(&job);
	free(data);
	return 0;
}

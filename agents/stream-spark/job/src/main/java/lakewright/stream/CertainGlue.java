package lakewright.stream;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;
import org.apache.iceberg.aws.AwsClientFactories;
import org.apache.iceberg.aws.AwsClientFactory;
import org.apache.iceberg.aws.AwsProperties;
import org.apache.iceberg.aws.util.RetryDetector;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.glue.GlueClient;
import software.amazon.awssdk.services.glue.model.AccessDeniedException;
import software.amazon.awssdk.services.glue.model.ConcurrentModificationException;
import software.amazon.awssdk.services.glue.model.EntityNotFoundException;
import software.amazon.awssdk.services.glue.model.InvalidInputException;
import software.amazon.awssdk.services.glue.model.UpdateTableRequest;
import software.amazon.awssdk.services.glue.model.ValidationException;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;

/**
 * The catalog's clients of AWS. Of an `UpdateTable` Iceberg believes every error that AWS answers, and deletes the files
 * that the commit wrote; yet some are answered when it took effect all the same (OperationTimeoutException), or belong to a
 * second attempt of which the first took effect unheard. Such an error is given to Iceberg as one of the connection, for
 * which it looks whether the commit is there, and deletes nothing.
 */
public final class CertainGlue implements AwsClientFactory {
    private static final long serialVersionUID = 1;
    /** The catalog's property that names the factory whose clients these are, when that isn't Iceberg's own. */
    private static final String BEHIND = "lakewright.client.factory";

    private AwsClientFactory clients;

    /** What the catalog is configured with so that it asks AWS by these clients. */
    static Map<String, String> in(Map<String, String> properties) {
        Map<String, String> with = new HashMap<>(properties);
        String own = with.put(AwsProperties.CLIENT_FACTORY, CertainGlue.class.getName());
        if (own != null) {
            with.put(BEHIND, own);
        }
        return with;
    }

    @Override
    public void initialize(Map<String, String> properties) {
        Map<String, String> behind = new HashMap<>(properties);
        behind.remove(AwsProperties.CLIENT_FACTORY);
        if (behind.containsKey(BEHIND)) {
            behind.put(AwsProperties.CLIENT_FACTORY, behind.remove(BEHIND));
        }
        clients = AwsClientFactories.from(behind);
    }

    @Override
    public GlueClient glue() {
        return certain(clients.glue());
    }

    @Override
    public S3Client s3() {
        return clients.s3();
    }

    @Override
    public S3AsyncClient s3Async() {
        return clients.s3Async();
    }

    @Override
    public KmsClient kms() {
        return clients.kms();
    }

    @Override
    public DynamoDbClient dynamo() {
        return clients.dynamo();
    }

    private static GlueClient certain(GlueClient client) {
        return (GlueClient) Proxy.newProxyInstance(GlueClient.class.getClassLoader(), new Class<?>[] {GlueClient.class},
                (proxy, method, arguments) -> call(client, method, arguments));
    }

    private static Object call(GlueClient client, Method method, Object[] arguments) throws Throwable {
        UpdateTableRequest update = arguments != null && arguments[0] instanceof UpdateTableRequest one ? one : null;
        if (update != null) {
            // Much time may have passed since the commit was found to be right: the table was asked for in between.
            Held.mustNotBeTooLong();
        }
        try {
            return method.invoke(client, arguments);
        } catch (InvocationTargetException thrown) {
            if (update != null && thrown.getCause() instanceof AwsServiceException error && !refused(error, update)) {
                throw SdkClientException.create("it isn't known whether the table was changed: " + error.getMessage(), error);
            }
            throw thrown.getCause();
        }
    }

    /** Whether an error says that the update took no effect. */
    private static boolean refused(AwsServiceException error, UpdateTableRequest update) {
        boolean retried = update.overrideConfiguration().stream().flatMap(one -> one.metricPublishers().stream())
                .anyMatch(one -> one instanceof RetryDetector detector && detector.retried());
        return !retried && (error instanceof ConcurrentModificationException || error instanceof EntityNotFoundException
                || error instanceof AccessDeniedException || error instanceof ValidationException
                || error instanceof InvalidInputException);
    }
}
